// A run as lines that another store takes: for backups and moves.
export { exportRun } from "./runs/export.ts";
export { importRun } from "./runs/import.ts";
