// Runs before the scripts that need it, on any version of Node: use old syntax only, and no imports.
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  console.error(
    "Working on orca-durable needs Node 22.18 or newer, since its scripts are TypeScript; this is Node " +
      process.versions.node +
      " (" +
      process.execPath +
      ").\nOn Linux `npm ci` brings a newer one along, unless optional dependencies are omitted. Elsewhere, install one.",
  );
  process.exit(1);
}
