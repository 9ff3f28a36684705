import { rolldown } from "rolldown";

/** The script of that file with all that it imports, for a browser. */
export async function bundled(file: string, format: "esm" | "iife"): Promise<string> {
  const build = await rolldown({ input: file, platform: "browser" });
  const { output } = await build.generate({ format, codeSplitting: false });
  await build.close();
  return output[0].code;
}
