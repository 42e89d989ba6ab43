/** The CSV file that a page works with, and the mapping of its columns. The form and the CSV tab share it. */
import { useState } from 'react';
import { bytes } from '../kit/format.ts';
import { type Csv, parseCsvText } from './csv.ts';
import { type Mapping, mappingFor } from './mapping.ts';
import type { InputSignature } from './signature.ts';

export interface LoadedFile {
  readonly name: string;
  readonly size: number;
  readonly csv: Csv;
}

export interface TrialFile {
  readonly file: LoadedFile | null;
  /** Null without a file. */
  readonly mapping: Mapping | null;
  /** Why the last file was not read. */
  readonly problem: string | null;
  /** Increases with each new file or mapping. */
  readonly turn: number;
  readonly setMapping: (mapping: Mapping) => void;
  readonly load: (name: string, text: string) => void;
  readonly read: (chosen: File | null) => Promise<void>;
}

const fileBytesMax = 32 * 2 ** 20;

export function useFile({ inputs }: InputSignature): TrialFile {
  const [file, setFile] = useState<LoadedFile | null>(null);
  const [mapping, setMapping] = useState<Mapping | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [turn, setTurn] = useState(0);
  const map = (chosen: Mapping): void => {
    setMapping(chosen);
    setTurn((before) => before + 1);
  };
  const load = (name: string, text: string): void => {
    const csv = parseCsvText(text);
    setProblem(null);
    setFile({ name, size: text.length, csv });
    map(mappingFor(csv, inputs));
  };
  const read = async (chosen: File | null): Promise<void> => {
    if (chosen === null) return;
    if (chosen.size > fileBytesMax)
      setProblem(
        `${chosen.name} is too large: expected at most ${bytes(fileBytesMax)}, got ${bytes(chosen.size)}. Use a transform for larger files.`,
      );
    else load(chosen.name, await chosen.text());
  };
  return { file, mapping, problem, turn, setMapping: map, load, read };
}
