/** What Vite makes of a worker's file: a bundle of its own, and the address of it. */
declare module "*?worker&url" {
  const url: string;
  export default url;
}
