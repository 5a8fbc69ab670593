/** What is being measured, on one line of standard error that is drawn over; a line each in a log. */
import process from "node:process";

const LIVE = process.stderr.isTTY === true;
let shown = "";

/** Shows where the measurement is. In a log only `title` is printed, when it changes. */
export function showProgress(title: string, detail = ""): void {
  if (LIVE) process.stderr.write(`\r\x1b[2K  ${title} ${detail}`);
  else if (title !== shown) process.stderr.write(`  ${title}\n`);
  shown = title;
}

/** Clears the line, so that what follows starts a new one. */
export function endProgress(): void {
  if (LIVE && shown) process.stderr.write("\r\x1b[2K");
  shown = "";
}
