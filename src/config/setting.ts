/** What is known of a setting, and how it is called where it is given. */

export interface Setting<Value = unknown> {
  /** As in config.json; `--body-limit` and PENSTOCK_BODY_LIMIT follow from `bodyLimit`. */
  readonly name: string;
  readonly default: Value;
  readonly help: string;
  /** What a value looks like: `N`, `F`, `off|files`. */
  readonly placeholder: string;
  /** Where it may stand; everywhere unless said. */
  readonly only?: readonly Source[];
  /** Reads what was given, a text or a JSON value; answers undefined where it makes no sense. */
  readonly read: (given: unknown) => Value | undefined;
  /** What would make sense, as the error says it. */
  readonly expected: string;
}

export type Source = 'flag' | 'environment' | 'file';

/** `--body-limit`. */
export function flagName(setting: Pick<Setting, 'name'>): string {
  return `--${setting.name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** `PENSTOCK_BODY_LIMIT`. */
export function variableName(setting: Pick<Setting, 'name'>): string {
  return `PENSTOCK_${setting.name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}
