/**
 * The program that runs a JavaScript task in a sandbox's Node.js: the same module, arguments and
 * frames as in a local child. The script stands in the working directory while it loads, so that it
 * imports what is beside it, and is gone before its function is called.
 */
import { MAX_RESULT_BYTES } from "../port.ts";

/** Where the harness puts the script; no glob of artifacts sees it. */
export const SCRIPT_NAME = ".pipelzr-task.mjs";

export const NODE_HARNESS = String.raw`
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { formatWithOptions, inspect } from "node:util";

const home = dirname(fileURLToPath(import.meta.url));
const json = (name) => JSON.parse(readFileSync(join(home, name), "utf8"));
const given = json("context.json");
const cwd = process.cwd();
const root = resolve(cwd, ...given.working_directory.split("/").filter(Boolean).map(() => ".."));

function end(frame, code) {
  writeFileSync(join(home, "frame.new"), typeof frame === "string" ? frame : JSON.stringify(frame));
  renameSync(join(home, "frame.new"), join(home, "frame"));
  process.exit(code);
}
function describe(thrown) {
  const lines = inspect(thrown, { depth: 2 }).split("\n");
  return lines.filter((line) => !/^\s+at .*(harness\.mjs|node:internal)/.test(line)).join("\n");
}
function threw(code, what, thrown) {
  const text = describe(thrown);
  console.error(text);
  end(["failed", "exit", code, what + ": " + text, 1, null], 1);
}
const refused = (code, message) => end(["failed", "error", code, message, null, null], 1);

function place(path) {
  const full = resolve(cwd, String(path).replace(/^\/+/, (m) => (String(path).startsWith(root) ? m : root + "/")));
  if (full !== root && full.startsWith(root + sep)) return full;
  throw new Error('"' + path + '" is outside the workspace. Use a path inside it.');
}
function pattern(glob) {
  let text = "";
  for (let at = 0; at < glob.length; at += 1) {
    const letter = glob[at];
    if (glob.startsWith("**/", at)) { text += "(?:.*/)?"; at += 2; }
    else if (glob.startsWith("**", at)) { text += ".*"; at += 1; }
    else if (letter === "*") text += "[^/]*";
    else if (letter === "?") text += "[^/]";
    else if (letter === "{") text += "(?:";
    else if (letter === "}") text += ")";
    else if (letter === "," && /\{[^}]*$/.test(glob.slice(0, at))) text += "|";
    else text += letter.replace(/[.+^$()|\\]/, "\\$&");
  }
  return new RegExp("^" + text + "(?:/.*)?$");
}
function read(path) {
  try {
    return readFileSync(place(path));
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
    throw new Error('No file "' + path + '" in the workspace. ctx.files.list() names those there are.');
  }
}
const files = {
  read: (path) => read(path).toString("utf8"),
  bytes: (path) => new Uint8Array(read(path)),
  list: (glob) =>
    readdirSync(cwd, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(cwd, join(entry.parentPath ?? entry.path, entry.name)))
      .filter((path) => glob === undefined || pattern(glob.replace(/^\.\//, "").replace(/\/+$/, "")).test(path))
      .sort(),
  exists: (path) => statSync(place(path), { throwIfNoEntry: false })?.isFile() === true,
  write: (path, data) => {
    const full = place(path);
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(full, data instanceof ArrayBuffer ? new Uint8Array(data) : data);
  },
  remove: (path) => {
    const there = files.exists(path);
    if (there) rmSync(place(path));
    return there;
  },
};
const context = {
  env: process.env,
  files,
  log: (...values) => console.log(...values),
  attempt: given.attempt,
  run: given.run,
  epoch: given.epoch,
  deadline: Date.now() + given.timeout_ms,
  idempotencyKey: process.env.PIPELZR_IDEMPOTENCY_KEY,
};

process.on("unhandledRejection", (reason) => console.error("Unhandled rejection: " + describe(reason)));

const script = join(cwd, "${SCRIPT_NAME}");
let main;
try {
  writeFileSync(script, readFileSync(join(home, "script")));
  ({ default: main } = await import(pathToFileURL(script).href));
} catch (error) {
  rmSync(script, { force: true });
  threw("script_load_failed", "The script failed while it loaded", error);
}
rmSync(script, { force: true });
if (typeof main !== "function") {
  refused("script_no_default_export", "The script has no function as its default export. Write: export default (input, ctx) => output");
}
let value;
try {
  value = await main(json("input.json"), context);
} catch (error) {
  threw("script_threw", "The script threw", error);
}
let text;
try {
  text = value === undefined ? "null" : JSON.stringify(value);
} catch (error) {
  refused("output_not_json", "The returned value cannot be written as JSON: " + String(error.message).split("\n")[0] + ". Return plain objects, arrays, strings, numbers, booleans and null; convert a BigInt with String().");
}
if (text === undefined) {
  refused("output_not_json", "The returned value is a " + typeof value + ", which JSON cannot hold. Return plain data.");
}
if (Buffer.byteLength(text) > ${MAX_RESULT_BYTES}) {
  refused("output_too_large", "The result is above ${MAX_RESULT_BYTES / (1024 * 1024)} MiB of JSON. Write large data with ctx.files.write, list it in artifacts and return its path.");
}
end('["completed",' + text + ",0]", 0);
`;
