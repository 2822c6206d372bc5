import {formatCount, printable} from '../ui/format.ts';
import {createStyle, type Style} from '../ui/style.ts';
import {type Cell, formatTable} from '../ui/table.ts';
import type {JudgedFinding} from '../vet/judge.ts';
import type {Vetted} from './vet.ts';

/** A block for each target: its findings with what the policy says of each, and what else registering it asks for. */
export function vetText(vetted: readonly Vetted[], {color}: {readonly color: boolean}): string {
  const style = createStyle(color);
  const blocks = vetted.map((one) => block(one, style).join('\n'));
  return `${blocks.join('\n\n')}\n`;
}

function block({image, target, rules, judgement}: Vetted, style: Style): readonly string[] {
  const {findings, beside} = judgement;
  const refusedCount = findings.filter(({ruling}) => ruling === 'refused').length;
  const count =
    findings.length === 0
      ? style.green('nothing found')
      : `${formatCount(findings.length, 'finding')}, ${refusedCount === 0 ? style.green('none refused') : style.red(`${String(refusedCount)} refused`)}`;
  const title = `${printable(image)}/${printable(target)}: ${count} (policy: ${rules.level})`;
  const head = ['severity', 'check', 'path', 'what', 'policy'].map(
    (text): Cell => ({text, style: style.dim}),
  );
  return [
    title,
    ...(findings.length === 0
      ? []
      : formatTable([head, ...findings.map((finding) => row(finding, style))]).map((line) => `  ${line}`)),
    ...beside.map((reason) => `  not to be registered yet: ${printable(reason)}`),
  ];
}

function row({severity, check, path, detail, ruling, reason}: JudgedFinding, style: Style): readonly Cell[] {
  const paint = {refused: style.red, allowed: style.yellow, tolerated: style.dim}[ruling];
  return [
    {text: severity},
    {text: check},
    {text: printable(path)},
    {text: printable(detail)},
    {text: reason === undefined ? ruling : `${ruling}: ${printable(reason)}`, style: paint},
  ];
}

/** docs/reference/policy.md tells its fields. */
export function vetJson(vetted: readonly Vetted[]): string {
  const told = vetted.map(({image, target, rules: {level, tests, approval}, judgement}) => {
    const {findings, refused, unused, ignored} = judgement;
    const policy = {level, tests, approval};
    return {
      image,
      target,
      policy,
      may_be_registered: refused.length === 0,
      refused,
      findings,
      unused,
      ignored,
    };
  });
  return `${JSON.stringify({version: 1, images: told}, undefined, 2)}\n`;
}
