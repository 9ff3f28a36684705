/** A report that was written. */
export interface SavedReport {
  readonly fileName: string;
  readonly bytes: number;
}

const folder = "reports";

/** Writes a report into the files of this origin. Its name follows from the key, so writing it again replaces it. */
export async function saveReport(key: string, name: string, report: string): Promise<SavedReport> {
  const fileName = `${name.replace(/\.\w+$/, "")}-${await shortHash(key)}.md`;
  const bytes = new TextEncoder().encode(report);
  const handle = await (await reports()).getFileHandle(fileName, { create: true });
  const file = await handle.createWritable();
  await file.write(bytes);
  await file.close();
  return { fileName, bytes: bytes.length };
}

/** The file of a report that was written here. */
export async function readReport(fileName: string): Promise<File> {
  return (await (await reports()).getFileHandle(fileName)).getFile();
}

async function reports(): Promise<FileSystemDirectoryHandle> {
  return (await navigator.storage.getDirectory()).getDirectoryHandle(folder, { create: true });
}

async function shortHash(text: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return [...digest.slice(0, 4)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
