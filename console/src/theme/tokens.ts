/**
 * Design tokens, named by meaning and used as CSS variables. A colour has the same meaning on every page.
 */
interface Token {
  readonly light: string;
  readonly dark: string;
}

const same = (value: string): Token => ({ light: value, dark: value });
const token = (light: string, dark: string): Token => ({ light, dark });

export const tokens = {
  canvas: token('#f5f6f7', '#0c1216'),
  surface: token('#ffffff', '#121a20'),
  sunken: token('#f8f9fa', '#0f161b'),
  hover: token('#f0f3f4', '#1a242b'),
  line: token('#e2e6e9', '#25313a'),
  'line-2': token('#c5cdd3', '#3c4b56'),
  ink: token('#13202b', '#e7eef2'),
  'ink-2': token('#475460', '#b0bdc6'),
  'ink-3': token('#5e6a75', '#8b99a4'),
  // Links, focus, selection, and choices made by Penstock.
  accent: token('#0b6b77', '#56c4ce'),
  'accent-2': token('#095660', '#83d8df'),
  'accent-soft': token('#e2f1f2', '#11323a'),
  'on-accent': token('#ffffff', '#062226'),
  // The one solid button of a page.
  solid: token('#13202b', '#e7eef2'),
  'on-solid': token('#ffffff', '#0f171c'),
  good: token('#17754a', '#56c792'),
  'good-soft': token('#e3f4ea', '#10301f'),
  warn: token('#8f5200', '#edb454'),
  'warn-soft': token('#fff1d6', '#352508'),
  bad: token('#b92a2a', '#f4827b'),
  'bad-soft': token('#fdeaea', '#3a1718'),
  // Instances are billed by the hour, functions per use.
  inst: token('#2563c9', '#6ba1f7'),
  func: token('#c95d06', '#f3964a'),
  'func-2': token('#f0b079', '#93592a'),
  rescue: token('#7a3303', '#ffdcb9'),
  flush: token('#818d97', '#6c7983'),
  // Latency, and nothing else.
  p50: token('#9a7fd3', '#7a66ad'),
  p95: token('#6536b8', '#b294f6'),
  p99: token('#321763', '#d8cafb'),
  // Load and its forecast.
  rate: token('#3b4a57', '#b9c6cf'),
  fore: token('#0b7f8c', '#4fc3cf'),
  'fore-soft': token('rgba(11,127,140,.14)', 'rgba(79,195,207,.14)'),
  over: token('rgba(185,42,42,.055)', 'rgba(235,70,70,.1)'),
  heat: token('11,107,119', '86,196,206'),
  shadow: token('0 1px 2px rgba(19,32,43,.05)', 'none'),
  pop: token('0 8px 28px rgba(19,32,43,.16),0 0 0 1px rgba(19,32,43,.06)', '0 10px 32px rgba(0,0,0,.55),0 0 0 1px #2f3d47'),
  r1: same('4px'),
  r2: same('6px'),
  r3: same('10px'),
  sans: same("Inter,ui-sans-serif,system-ui,-apple-system,'Segoe UI',sans-serif"),
  mono: same("'JetBrains Mono',ui-monospace,'SF Mono',Consolas,monospace"),
} as const satisfies Record<string, Token>;

export type TokenName = keyof typeof tokens;

/** The tokens as CSS variables: `--canvas` and so on. */
export function tokenVariables(scheme: 'light' | 'dark'): Record<string, string> {
  return Object.fromEntries(Object.entries(tokens).map(([name, value]) => [`--${name}`, value[scheme]]));
}
