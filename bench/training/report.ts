/** Figures with their targets, as a table. */

export interface Measured {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** Targets. */
  readonly most?: number;
  readonly least?: number;
}

export function isMet({ value, most, least }: Measured): boolean {
  return (most === undefined || value <= most) && (least === undefined || value >= least);
}

export function tableOf(figures: readonly Measured[], heading: string): string {
  const shown = (value: number): string => String(Number(value.toPrecision(value >= 1000 ? 7 : 4)));
  const rows = figures.map((figure) => {
    const { what, value, unit, most, least } = figure;
    const target = most === undefined ? (least === undefined ? '' : `>= ${shown(least)}`) : `<= ${shown(most)}`;
    const mark = target === '' || isMet(figure) ? '' : ' **missed**';
    return `| ${what} | ${shown(value)}${unit === '' ? '' : ` ${unit}`}${mark} | ${target} |`;
  });
  return [heading, '', '| | measured | target |', '|---|---|---|', ...rows].join('\n');
}
