/**
 * Loaded before anything else by processes that tests start: what has been bundled is read from its
 * bundle. So command lines, and what finds a module by its path, stay as they are without bundles.
 */
import { registerHooks } from "node:module";

/** URLs of bundles by those of their entries; filled in when this file is bundled itself. */
declare const BUNDLES: Readonly<Record<string, string>>;
/** Begins the URL of whatever has been bundled. */
declare const FOLDER: string;
/** Packages that bundles ask for are found from here. */
declare const ROOT: string;

registerHooks({
  resolve(specifier, context, next) {
    const { parentURL } = context;
    const isPackage = !/^(\.|file:|node:)/.test(specifier);
    const isBundled = parentURL?.startsWith(FOLDER) === true;
    const from = isPackage && isBundled ? ROOT : parentURL;
    const found = next(specifier, { ...context, parentURL: from });
    const bundle = BUNDLES[found.url];
    return bundle === undefined ? found : { ...found, url: bundle, format: "module" };
  },
});
