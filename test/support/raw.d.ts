/** A file's text. JSON that is imported as a module would lose its `__proto__` keys. */
declare module "*.json?raw" {
  const text: string;
  export default text;
}
