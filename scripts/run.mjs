// Runs scripts/<name>.ts. Plain JavaScript, so that an old Node gets a message it can print.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  console.error(
    `PIPELZR's commands need Node.js 22.18 or newer; this is ${process.versions.node}.\n` +
      "On Linux x64 `npm ci` brings one along: run the command through npm (npm start, npm test, …).\n" +
      "Elsewhere install Node.js 22.18 or newer and try again.",
  );
  process.exit(1);
}
const name = process.argv[2];
if (!name || !/^[a-z-]+$/.test(name)) {
  console.error("usage: node scripts/run.mjs <command> [options]; `npm run` lists the commands.");
  process.exit(2);
}
process.argv.splice(1, 2, new URL(`./${name}.ts`, import.meta.url).pathname);
await import(`./${name}.ts`);
