import {textWidth} from './format.ts';

export interface Cell {
  readonly text: string;
  /** Applied after padding, so that escape sequences do not count as width. */
  readonly style?: (text: string) => string;
  readonly align?: 'left' | 'right';
}

/** Lines of a table: columns as wide as their widest cell, two blanks between, nothing after the last column. */
export function formatTable(rows: readonly (readonly Cell[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, {text}] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, textWidth(text));
    }
  }
  return rows.map((row) =>
    row
      .map(({text, style, align}, column) => {
        const gap = ' '.repeat(Math.max(0, (widths[column] ?? 0) - textWidth(text)));
        const styled = style === undefined ? text : style(text);
        if (align === 'right') return gap + styled;
        return column === row.length - 1 ? styled : styled + gap;
      })
      .join('  ')
      .trimEnd(),
  );
}
