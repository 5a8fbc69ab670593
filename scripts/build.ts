/** `npm run build`: the bundle that is deployed and that `npm start` runs, in `dist/`. */
import { build } from "./lib/build.ts";

const started = performance.now();
const { built } = await build();
const seconds = ((performance.now() - started) / 1_000).toFixed(1);
console.log(built ? `Built dist/ in ${seconds} s.` : "dist/ is up to date.");
