const units = {K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40};

/** Bytes of a size as specs and options write it (`500MiB`, `8G`, powers of two); undefined for any other text. */
export function parseSize(text: string): number | undefined {
  const found = /^(?<count>\d+(?:\.\d+)?)(?<unit>[KMGT])(?:iB|B)?$/.exec(text.trim())?.groups as
    | {count: string; unit: keyof typeof units}
    | undefined;
  return found === undefined ? undefined : Math.round(Number(found.count) * units[found.unit]);
}
