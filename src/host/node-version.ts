import type {HostCheck} from './host-check.ts';

type Version = readonly [number, number, number];

/** Whether a version of Node satisfies the `engines` of package.json: alternatives of `^a.b.c` and `>=a.b.c`. */
export function nodeVersionCheck(version: string, engines: string): HostCheck {
  const actual = parseVersion(version);
  const ok = engines.split('||').some((alternative) => {
    const {operator = '', wanted = ''} =
      /^\s*(?<operator>\^|>=)(?<wanted>[\d.]+)\s*$/.exec(alternative)?.groups ?? {};
    const least = parseVersion(wanted);
    return (operator === '>=' || actual[0] === least[0]) && operator !== '' && !isBefore(actual, least);
  });
  const check = {name: 'Node', severity: 'needed', found: version} as const;
  return ok ? {...check, ok} : {...check, ok, mend: `install Node ${engines}`};
}

function parseVersion(text: string): Version {
  const [major = 0, minor = 0, patch = 0] = text.replace(/^v/, '').split('.').map(Number);
  return [major, minor, patch];
}

function isBefore(a: Version, b: Version): boolean {
  if (a[0] !== b[0]) return a[0] < b[0];
  return a[1] === b[1] ? a[2] < b[2] : a[1] < b[1];
}
