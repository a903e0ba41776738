// Writes each TypeScript recipe of docs/front-end.md into build/src, under the name in its first line, and what the recipes
// leave to the reader.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";

const page = readFileSync(new URL("../../docs/front-end.md", import.meta.url), "utf8");
const into = new URL("build/src/", import.meta.url);
rmSync(into, { recursive: true, force: true });
mkdirSync(into, { recursive: true });

const names = [...page.matchAll(/^```tsx?\n\/\/ (\S+)\n([^]*?)^```$/gm)].map(([, name, text]) => {
  // Bundlers do without an extension, Node.js does not.
  writeFileSync(new URL(name, into), text.replace(/from "(\.\/[a-z-]+)"/g, 'from "$1.js"'));
  return name;
});
const fences = page.match(/^```tsx?$/gm).length;
if (fences !== names.length || new Set(names).size !== names.length) throw new Error(`${fences} recipes, and the names ${names}`);

writeFileSync(
  new URL("session.ts", into),
  'export const sessionOf = async (request: Request): Promise<string | undefined> => request.headers.get("cookie") ?? undefined;\n',
);
// Of React Native only what its recipe uses: the real one has 175 MB.
writeFileSync(
  new URL("react-native.d.ts", into),
  `declare module "react-native" {
  export const AppState: {
    addEventListener(type: "change", listener: (state: "active" | "background" | "inactive" | "unknown" | "extension") => void): { remove(): void };
  };
}
`,
);
console.log(names.join(" "));
