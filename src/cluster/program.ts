/**
 * The program of a node, as the text in its row: `0.2.0+tables.101.7.links.1.1`. It is in the column of the version, which the tables of every
 * version have, because nodes of two versions must know each other before the tables change.
 */
import { firstProtocols, type LinkProtocols } from '../links/index.ts';
import type { StepNumbers } from '../storage/index.ts';

/** Programs before step 101 do not say what they know: they can use the tables of all steps before it, and of none from it on. */
const unstatedTables: StepNumbers = { state: 100, metrics: 6 };

/** What a program can do together with others. */
export interface Program {
  /** `0.2.0` */
  readonly version: string;
  /** The newest steps of the tables that it knows. */
  readonly tables: StepNumbers;
  readonly links: LinkProtocols;
}

export function programText({ version, tables, links }: Program): string {
  return `${version}+tables.${tables.state}.${tables.metrics}.links.${links.min}.${links.max}`;
}

export function programOf(text: string): Program {
  const [, version = text, ...digits] = /^(.*)\+tables\.(\d{1,6})\.(\d{1,6})\.links\.(\d{1,6})\.(\d{1,6})$/.exec(text) ?? [];
  if (digits.length === 0) return { version, tables: unstatedTables, links: firstProtocols };
  const [state, metrics, min, max] = digits.map(Number) as [number, number, number, number];
  return { version, tables: { state, metrics }, links: { min, max } };
}

/** `0.2.0 (tables 104)`, because builds of one version may differ in them. */
export function programLabel({ version, tables }: Program): string {
  return tables === unstatedTables ? version : `${version} (tables ${tables.state})`;
}

/** Positive if the first one is newer. */
export function compareReleases(one: string, other: string): number {
  const parts = (text: string): number[] => text.split(/[.+-]/, 3).map((part) => Number.parseInt(part, 10) || 0);
  const [first, second] = [parts(one), parts(other)];
  return first.map((part, index) => part - (second[index] ?? 0)).find((difference) => difference !== 0) ?? 0;
}

/** Positive if the first one is newer. */
export function comparePrograms(one: Program, other: Program): number {
  return one.tables.state - other.tables.state || one.tables.metrics - other.tables.metrics || compareReleases(one.version, other.version);
}
