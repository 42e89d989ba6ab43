/** Line icons of 16 by 16 pixels. They accompany a text; a button without text needs an aria-label. */
import type { ReactElement } from 'react';

const paths = {
  home: 'M3 7.2 8 3l5 4.2V13H3z M6.5 13V9.5h3V13',
  endpoint: 'M2.5 4.5h4l3 7h4 M2.5 11.5h2 M11.5 4.5h2 M6.5 4.5 5 11.5',
  model: 'M8 2.5 13 5v6l-5 2.5L3 11V5z M3 5l5 2.5L13 5 M8 7.5v6',
  jobs: 'M3 4h10 M3 8h10 M3 12h6',
  training: 'M3 13h10 M3 13 6 9l2.5 1.5L13 4 M10 4h3v3',
  pipelines: 'M3.2 7A5 5 0 0 1 12 5 M12.3 2.3V5.2H9.4 M12.8 9A5 5 0 0 1 4 11 M3.7 13.7V10.8H6.6',
  whatIf: 'M3 13V3 M3 13h10 M5.5 10.5 8 7l2 2 3-4.5',
  selection: 'M3 13V3 M3 13h10 M5 10.5h.01 M7.5 8h.01 M10 6h.01 M12.5 4.5h.01 M5 10.5 7.5 8 10 6l2.5-1.5',
  costs: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12z M10 6H7.3a1.1 1.1 0 0 0 0 2.2h1.4a1.1 1.1 0 0 1 0 2.2H6 M8 4.6V6 M8 10.4v1.2',
  monitoring: 'M2 8.5h3l1.5-4 3 8 1.5-4h3',
  cluster: 'M3 2.5h10v4H3z M3 9.5h10v4H3z M5.5 4.5h.01 M5.5 11.5h.01 M8 6.5v3',
  settings: 'M3 5h6 M12 5h1 M3 11h1 M7 11h6 M10.5 3.5v3 M5.5 9.5v3',
  find: 'M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9z M10.5 10.5 13.5 13.5',
  sun: 'M8 10.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z M8 1.8v1.4 M8 12.8v1.4 M1.8 8h1.4 M12.8 8h1.4 M3.6 3.6l1 1 M11.4 11.4l1 1 M3.6 12.4l1-1 M11.4 4.6l1-1',
  menu: 'M2.5 4.5h11 M2.5 8h11 M2.5 11.5h11',
  plus: 'M8 3v10 M3 8h10',
  pause: 'M5.5 3.5v9 M10.5 3.5v9',
  more: 'M3.5 8h.01 M8 8h.01 M12.5 8h.01',
  upload: 'M8 11V3 M4.5 6 8 2.8 11.5 6 M3 13h10',
  download: 'M8 3v8 M4.5 8 8 11.2 11.5 8 M3 13.5h10',
  copy: 'M5.5 5.5h8v8h-8z M3 10.5V2.5h7.5',
  play: 'M5 3.2 12.5 8 5 12.8z',
  info: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12z M8 7.3V11 M8 5v.01',
  alert: 'M8 2.5 14.2 13H1.8z M8 6.5v3 M8 11.3v.01',
  cross: 'M4 4l8 8 M12 4l-8 8',
  check: 'M3.5 8.5 6.5 11.5 12.5 4.5',
  edit: 'M3 13l.7-2.8L10.8 3 13 5.2 5.8 12.3z',
  right: 'M6 3.5 10.5 8 6 12.5',
  file: 'M4 2.5h5l3 3v8H4z M9 2.5v3h3',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name }: { readonly name: IconName }): ReactElement {
  return (
    <svg className="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  );
}

export function Logo(): ReactElement {
  return (
    <svg width="22" height="22" viewBox="0 0 22 22" aria-hidden="true">
      <rect x="1" y="1" width="20" height="20" rx="5.5" fill="var(--accent)" />
      <path d="M4 8.2h14M4 13.8h14" stroke="var(--on-accent)" strokeWidth="1.6" strokeLinecap="round" />
      <path d="M11 4v7.6" stroke="var(--on-accent)" strokeWidth="3" strokeLinecap="round" />
    </svg>
  );
}
