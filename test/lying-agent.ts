/** The agent of a host whose frames a test writes itself. */
import type { Socket } from 'node:net';
import { defined } from '../src/defined.ts';
import { beatFrame, hostKinds } from '../src/hosts/link/host-frames.ts';
import type { PlacedProvider } from '../src/hosts/placed-provider.ts';
import { type Frame, FrameReader, messageFrame, payloadFrame } from '../src/runtime/index.ts';
import { socketPair, until } from './hosts-fixture.ts';

const beatEveryMs = 500;

export interface ReceivedCommand {
  readonly call: number;
  readonly method: string;
  /** Of the task that it is about. */
  readonly id?: string;
}

/** It accepts pieces of inputs, and answers nothing else by itself. */
export class LyingAgent {
  readonly socket: Socket;
  readonly received: Frame[] = [];
  /** Called with each command that arrives. */
  onCommand: (command: ReceivedCommand) => void = () => undefined;
  readonly #beats: NodeJS.Timeout;

  private constructor(socket: Socket) {
    this.socket = socket;
    const reader = new FrameReader((frame) => {
      this.received.push(frame);
      if (frame.kind === hostKinds.taskPiece) this.done(frame.call);
      if (frame.kind === hostKinds.command) this.onCommand({ ...(frame.message as ReceivedCommand), call: frame.call });
    });
    socket.on('data', (chunk) => reader.push(chunk)).resume();
    this.#beats = setInterval(() => socket.write(beatFrame()), beatEveryMs);
    socket.on('close', () => clearInterval(this.#beats));
  }

  /** Resolves when it has linked as the host `liar`, without workers. */
  static async link(home: PlacedProvider, abilities?: object): Promise<LyingAgent> {
    const [near, far] = await socketPair();
    const agent = new LyingAgent(near);
    home.linked.serve(far, 'liar', { instance: 'x', version: '0', zone: 'z', cpuMilli: 8000, memoryMiB: 8000, ...defined({ abilities }) });
    agent.send(hostKinds.workers, { keys: [] });
    await until(() => home.linked.host('liar')?.isLinked === true, 'it is linked');
    return agent;
  }

  send(kind: number, message: unknown, call = 0): void {
    this.socket.write(messageFrame(call, kind, message));
  }

  /** Accepts a command. */
  done(call: number, message: object = {}): void {
    this.send(hostKinds.done, message, call);
  }

  /** Reports that the host has these tasks. */
  tasks(ids: readonly string[]): void {
    this.send(hostKinds.tasks, { ids });
  }

  /** Reports a task, which runs unless it is changed. */
  task(id: string, changes: object = {}): void {
    const running = { id, digest: 'd', state: 'running', pid: 1, end: null, threads: 1, memoryMiB: 1 };
    this.send(hostKinds.taskReport, { ...running, ...changes });
  }

  /** Answers a command that reads. */
  sendBytes(call: number, bytes: Buffer, message: Readonly<Record<string, unknown>> = {}): void {
    for (const part of payloadFrame(call, hostKinds.bytes, message, bytes)) this.socket.write(part);
  }

  close(): void {
    clearInterval(this.#beats);
    this.socket.destroy();
  }
}
