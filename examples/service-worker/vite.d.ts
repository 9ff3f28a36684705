/** The address of the bundle that Vite makes of a worker's file. */
declare module "*?worker&url" {
  const url: string;
  export default url;
}
