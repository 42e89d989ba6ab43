/**
 * The CSV file that a page works with, and the mapping of its columns. The form and the CSV tab share it. The page holds the file and not its
 * tabs, because a tab is built again when the endpoint changes to another version: the file stays, and its columns are mapped again.
 */
import { useState } from 'react';
import { bytes } from '../kit/format/format.ts';
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

/** The chosen file, before it is known which inputs its columns are for. */
export interface PageFile extends Omit<TrialFile, 'mapping' | 'setMapping'> {
  /** A mapping of the user's own, and the inputs that it is for. */
  readonly chosen: ChosenMapping | null;
  readonly setChosen: (chosen: ChosenMapping) => void;
}

interface ChosenMapping {
  readonly inputs: InputSignature['inputs'];
  readonly mapping: Mapping;
}

const fileBytesMax = 32 * 2 ** 20;

export function useFile(): PageFile {
  const [file, setFile] = useState<LoadedFile | null>(null);
  const [chosen, setChosen] = useState<ChosenMapping | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [turn, setTurn] = useState(0);
  const choose = (mapping: ChosenMapping | null): void => {
    setChosen(mapping);
    setTurn((before) => before + 1);
  };
  const load = (name: string, text: string): void => {
    setProblem(null);
    setFile({ name, size: text.length, csv: parseCsvText(text) });
    choose(null);
  };
  const read = async (picked: File | null): Promise<void> => {
    if (picked === null) return;
    if (picked.size > fileBytesMax)
      setProblem(
        `${picked.name} is too large: expected at most ${bytes(fileBytesMax)}, got ${bytes(picked.size)}. Use a transform for larger files.`,
      );
    else load(picked.name, await picked.text());
  };
  return { file, chosen, problem, turn, setChosen: choose, load, read };
}

/** The file with the mapping of its columns to the inputs: the user's own, or the one that fits the names or positions. */
export function mappedFile({ chosen, setChosen, ...rest }: PageFile, { inputs }: InputSignature): TrialFile {
  const { file } = rest;
  const isOwn = chosen !== null && JSON.stringify(chosen.inputs) === JSON.stringify(inputs);
  const mapping = file === null ? null : isOwn ? chosen.mapping : mappingFor(file.csv, inputs);
  return { ...rest, mapping, setMapping: (changed) => setChosen({ inputs, mapping: changed }) };
}
