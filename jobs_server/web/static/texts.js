// The texts of the scripts in the page's language: English is written in the scripts, others come in a file each, which
// browsers keep. Values stand where `{name}` is.

export const language = document.documentElement.lang || "en";
const NONE = { point: ".", texts: {} };
const catalogue = language === "en" ? NONE : await import(`./texts.${language}.js`).then((file) => file.default, () => NONE);

export function text(english, values = {}) {
  return (catalogue.texts[english] ?? english).replace(/\{(\w+)\}/g, (place, name) => values[name] ?? place);
}

// A number as it was written in English, with this language's decimal sign.
export function number(written) {
  return written.replace(".", catalogue.point);
}
