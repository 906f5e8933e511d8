// Copies what the pages need from the packages of package.json into asset/vendor, and
// what only the tests need into testdata, each with its licence, and writes
// asset/vendor/MANIFEST.sha256. What it writes is part of the repository: building
// the program needs neither node nor a network. Run it by: npm ci && npm run vendor
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const out = "asset/vendor";
rmSync(out, { recursive: true, force: true });
for (const dir of ["kern/icon", "fira-sans", "htmx"]) mkdirSync(join(out, dir), { recursive: true });
const take = (from, to) => cpSync(join("node_modules", from), to);

// KERN without its utility classes, which are half of it and used nowhere here, and with
// its icons as files of their own: img-src 'self' refuses data: addresses.
let css = readFileSync("node_modules/@kern-ux/native/dist/kern.min.css", "utf8");
const icons = new Map();
css = css.replace(/(?:\.kern-icon--([a-z-]+)\{-webkit-mask:)?url\("data:image\/svg\+xml,([^"]*)"\)/g, (whole, name, data) => {
	if (!icons.has(data)) {
		icons.set(data, (name ?? "part-" + icons.size) + ".svg");
		writeFileSync(join(out, "kern/icon", icons.get(data)), decodeURIComponent(data).replace(/ (height|width)=''/g, "") + "\n");
	}
	return whole.slice(0, whole.indexOf("url(")) + `url("icon/${icons.get(data)}")`;
});
const utility = "align|aspect|auto|basis|block|col|container|flex|gap|grid|h|hidden|inline|justify|m|max|mb|min|ml|mr|mt|mx|my|order|overflow|p|pb|pl|place|pr|pt|px|py|row|self|stack|w";
for (let before = ""; before !== css; ) {
	before = css;
	css = css.replace(new RegExp(`(?<=[{}])\\.kern-(${utility})(-[\\w-]+)?\\{[^{}]*\\}`, "g"), "").replace(/@media[^{}]*\{\}/g, "");
}
if (/url\("?data:/.test(css)) throw new Error("KERN holds a data: address that was not extracted");
writeFileSync(join(out, "kern/kern.css"), css);
take("@kern-ux/native/LICENSE.md", join(out, "kern/LICENSE.md"));

for (const weight of [400, 600]) take(`@fontsource/fira-sans/files/fira-sans-latin-${weight}-normal.woff2`, join(out, `fira-sans/fira-sans-${weight}.woff2`));
take("@fontsource/fira-sans/LICENSE", join(out, "fira-sans/LICENSE.txt"));

take("htmx.org/dist/htmx.min.js", join(out, "htmx/htmx.js"));
take("htmx.org/LICENSE", join(out, "htmx/LICENSE.txt"));

mkdirSync("testdata/axe", { recursive: true });
take("axe-core/axe.min.js", "testdata/axe/axe.js");
take("axe-core/LICENSE", "testdata/axe/LICENSE.txt");
take("axe-core/LICENSE-3RD-PARTY.txt", "testdata/axe/LICENSE-3RD-PARTY.txt");

const files = readdirSync(out, { recursive: true, withFileTypes: true }).filter((e) => e.isFile());
const lines = files.map((e) => join(e.parentPath, e.name)).sort().map((path) => {
	const sum = createHash("sha256").update(readFileSync(path)).digest("hex");
	return `${sum}  ${path.slice(out.length + 1)}`;
});
writeFileSync(join(out, "MANIFEST.sha256"), lines.join("\n") + "\n");
