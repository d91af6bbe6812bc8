// What a page needs to show an image: as small a file as its reader's browser takes.

const BEST_FIRST = ["avif", "webp", "png", "jpeg"];
const escaped = (text) => String(text).replace(/[&<>"]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[sign]);

/** `<picture>` with each format's variants, and the image itself for all others. */
export function pictureMarkup(image, sizes = "100vw") {
  const formats = BEST_FIRST.filter((format) => format !== image.format && image.variants.some((variant) => variant.format === format));
  const sources = formats.map((format) => {
    const variants = image.variants.filter((variant) => variant.format === format).sort((one, other) => one.width - other.width);
    const srcset = variants.map((variant) => `${variant.url} ${variant.width}w`).join(", ");
    return `  <source type="image/${format}" sizes="${escaped(sizes)}" srcset="${escaped(srcset)}">`;
  });
  return [
    "<picture>",
    ...sources,
    `  <img src="${escaped(image.url)}" alt="${escaped(image.alt_text)}" width="${image.width}" height="${image.height}" loading="lazy" decoding="async">`,
    "</picture>",
  ].join("\n");
}
