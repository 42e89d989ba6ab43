/** `npm run bench -- peers`: one small ONNX model in Penstock and in other servers, at low and high concurrency. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasWrk } from '../load/wrk.ts';
import { commit, machine } from '../machine.ts';
import { readResults, writeResults } from '../results.ts';
import { measureSubject, type PeerCell } from './measure.ts';
import { type PeersResults, peersTable } from './report.ts';
import { onnxSubjects } from './subjects.ts';

export interface PeersBenchOptions {
  readonly rounds: number;
  /** Seconds of each measurement. */
  readonly seconds: number;
  /** Names of servers beside Penstock, separated by commas; empty for all. */
  readonly only: string;
  /** Path of a tritonserver with the onnxruntime backend; empty for none. */
  readonly triton: string;
  /** Adds the rounds to those measured before. */
  readonly isAdded: boolean;
  readonly isDry: boolean;
}

export async function peersBench({ rounds, seconds, only, triton, isAdded, isDry }: PeersBenchOptions): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'penstock-bench-peers-'));
  const isWanted = (name: string): boolean => name === 'Penstock' || only === '' || only.split(',').some((part) => name.startsWith(part));
  const { subjects, missing } = await onnxSubjects(scratch, triton, isWanted);
  try {
    const { cores, cpu, node } = machine();
    const measured = isAdded ? [...(readResults<PeersResults>('peers')?.rounds ?? [])] : [];
    for (let round = 0; round < rounds; round++) {
      const cells: PeerCell[] = [];
      // In the opposite order every other time: the machine's speed drifts.
      for (const subject of round % 2 === 0 ? subjects : subjects.toReversed()) {
        try {
          cells.push(...(await measureSubject(subject, seconds * 1000)));
        } catch (error) {
          // A server that does not start on a busy machine is left out of the round.
          console.error(`${subject.name}: ${String(error)}`);
        }
      }
      measured.push(cells);
      const results: PeersResults = {
        at: new Date().toISOString(),
        commit: commit(),
        machine: `${cores} cores (${cpu}, Node ${node})`,
        generator: hasWrk() ? 'wrk' : 'own generator',
        missing,
        rounds: measured,
      };
      console.log(peersTable(results));
      if (!isDry) writeResults('peers', results, peersTable(results));
    }
  } finally {
    for (const subject of subjects) await subject.close();
    rmSync(scratch, { recursive: true });
  }
}
