/** Style and scripts that are files of their own are written into each page: it is self-contained. */
export function assemble(html: string, parts: Readonly<Record<string, string>>): string {
  let page = html;
  for (const [name, text] of Object.entries(parts)) page = page.replace(`/*${name}*/`, () => text);
  return page;
}
