const units = {s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000};

/** Milliseconds of a duration as options write it (`45s`, `90m`, `12h`, `30d`, `2w`); undefined for any other text. */
export function parseDuration(text: string): number | undefined {
  const found = /^(?<count>\d+(?:\.\d+)?)(?<unit>[smhdw])$/.exec(text.trim())?.groups as
    | {count: string; unit: keyof typeof units}
    | undefined;
  return found === undefined ? undefined : Math.round(Number(found.count) * units[found.unit]);
}
