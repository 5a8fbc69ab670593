/** The half of ast-grep that is JavaScript: the other is given to it by who starts it. */
declare module "@ast-grep/wasm/wasm_bg.js" {
  export * from "@ast-grep/wasm";
  export function __wbg_set_wasm(exports: WebAssembly.Exports): void;
}
