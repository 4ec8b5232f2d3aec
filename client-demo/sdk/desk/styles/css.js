/** Marks a template string as CSS, for editors, the formatter and the linter. */
export const css = String.raw
