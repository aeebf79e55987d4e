// Photos before they are sent: large ones are scaled down here, so that a phone need not send 12 megapixels.
const LONG_SIDE = 2000; // pixels; the server looks at no more than that
const THUMBNAIL = 192; // pixels
const QUALITY = 0.9;

/**
 * Makes a photo ready to be sent.
 * @param {Blob} file
 * @returns {Promise<{blob: Blob, thumbnail: Blob|null, shown: boolean}>} `shown`: whether this browser can show it;
 *   one that it cannot decode (HEIC, mostly) is sent as it is
 */
export async function prepare(file) {
  const bitmap = await decode(file);
  if (!bitmap) return { blob: file, thumbnail: null, shown: false };
  try {
    const large = Math.max(bitmap.width, bitmap.height) > LONG_SIDE;
    return {
      blob: large ? await jpeg(bitmap, LONG_SIDE, QUALITY) : file,
      thumbnail: await jpeg(bitmap, THUMBNAIL, 0.75),
      shown: true,
    };
  } finally {
    bitmap.close();
  }
}

/** The photo's pixels after its EXIF turn, or null where the browser cannot read them. */
async function decode(file) {
  try {
    return await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    return null;
  }
}

/** A picture no longer than `longSide`, as JPEG. */
export function jpeg(source, longSide, quality = QUALITY) {
  const width = source.videoWidth ?? source.width;
  const height = source.videoHeight ?? source.height;
  const scale = Math.min(1, longSide / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => {
    canvas.toBlob(
      (blob) => (blob ? resolve(blob) : reject(new Error("the canvas gave no picture"))),
      "image/jpeg",
      quality,
    );
  });
}

/** The image files among what was dropped, pasted or chosen. */
export function imagesOf(transfer) {
  const looksLikeImage = (file) =>
    file.type.startsWith("image/") || /\.(heic|heif|jpe?g|png|webp)$/i.test(file.name);
  return [...(transfer?.files ?? [])].filter(looksLikeImage);
}
