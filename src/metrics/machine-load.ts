/** How busy the processors of the machine were in the last hour: the likely cause if responses are late although the model is fast enough. */

/** Processor time since the machine started, in milliseconds. */
export interface MachineTimes {
  /** Processor time of all processes. */
  readonly usedMs: number;
  /** Used or idle: the sum over all processors. */
  readonly availableMs: number;
  /** Processor time of this server and its workers. */
  readonly ownMs: number;
}

/** The busy part of the last hour. */
export interface BusyTime {
  /** Minutes in which the processors were busy. */
  readonly minutes: number;
  /** Minutes observed, at most 60. */
  readonly ofMinutes: number;
  /** Share of the processors that other processes used in these minutes. */
  readonly othersShare: number;
}

/** From this share on, processes wait for processors. */
const busyFromShare = 0.9;
/** How often `sample` is called: with the other sampled values. */
const sampleMs = 10_000;
const samplesMax = 360;

interface Sample {
  readonly usedShare: number;
  readonly othersShare: number;
}

/** Has no figures on systems that do not report processor times. */
export class MachineLoad {
  readonly #read: () => MachineTimes | null;
  /** The latest last. */
  readonly #samples: Sample[] = [];
  #last: MachineTimes | null;

  /** `read` returns null if the system does not report the times. */
  constructor(read: () => MachineTimes | null) {
    this.#read = read;
    this.#last = read();
  }

  /** The current times, for differences over any period. */
  get times(): MachineTimes | null {
    return this.#read();
  }

  /** Must be called every ten seconds. */
  sample(): void {
    const [before, now] = [this.#last, this.#read()];
    this.#last = now;
    if (before === null || now === null || now.availableMs <= before.availableMs) return;
    const share = (ms: number): number => Math.min(1, Math.max(0, ms / (now.availableMs - before.availableMs)));
    const [usedMs, ownMs] = [now.usedMs - before.usedMs, now.ownMs - before.ownMs];
    this.#samples.push({ usedShare: share(usedMs), othersShare: share(usedMs - ownMs) });
    if (this.#samples.length > samplesMax) this.#samples.shift();
  }

  /** Null if the processors were never busy in the last hour, or this is unknown. */
  lastHour(): BusyTime | null {
    const busy = this.#samples.filter(({ usedShare }) => usedShare >= busyFromShare);
    if (busy.length === 0) return null;
    const minutes = (count: number): number => (count * sampleMs) / 60_000;
    const others = busy.reduce((sum, { othersShare }) => sum + othersShare, 0);
    return { minutes: minutes(busy.length), ofMinutes: minutes(this.#samples.length), othersShare: others / busy.length };
  }
}
