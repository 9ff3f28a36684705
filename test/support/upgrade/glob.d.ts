// What Vite adds to a module, as far as the stored fixtures need it.
interface ImportMeta {
  glob(pattern: string, options: { query: "?raw"; import: "default"; eager: true }): Record<string, string>;
}
