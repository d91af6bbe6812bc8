// What a page needs to show an image: as small a file as its reader's browser takes.

const escaped = (text) => String(text).replace(/[&<>"]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[sign]);

/** `<picture>` with the sources of an image, the best format first, and the image itself for all others. */
export function pictureMarkup(image, sizes = "100vw") {
  return [
    "<picture>",
    ...image.sources.map(({ type, srcset }) => `  <source type="${escaped(type)}" sizes="${escaped(sizes)}" srcset="${escaped(srcset)}">`),
    `  <img src="${escaped(image.url)}" alt="${escaped(image.alt_text)}" width="${image.width}" height="${image.height}" loading="lazy" decoding="async">`,
    "</picture>",
  ].join("\n");
}
