/**
 * The home of a gateway process, over a link that may break while clients wait. Requests without a response are then entered again at the
 * next home, each within the time that it has left: an inference has no side effects. A response is sent once, because those of a broken
 * link are not read.
 */
import type { Socket } from 'node:net';
import { type Clock, every } from '../clock.ts';
import type { PlatformError } from '../errors.ts';
import type { InferenceCall, InferenceOutcome } from '../serving/index.ts';
import type { CatalogueEndpoint, CatalogueRoute } from './catalogue.ts';
import { cutOff, noHome } from './no-home.ts';
import { RemoteHome, type WholeResponse } from './remote-home.ts';

/** How much waits without a home. */
export interface WaitingLimits {
  readonly requestsMax: number;
  readonly bytesMax: number;
  /** Waiting requests that are under way at the same time once there is a home: the next one follows each response. */
  readonly atOnceMax: number;
  /** A home on another machine of which nothing has arrived for this long is lost. */
  readonly silentMsMax: number;
  /** Without a link, and without a sign that there will be one, requests wait this long. Later ones do not wait. */
  readonly aloneMsMax: number;
}

/**
 * Requests: 2,000 a second for the 5 s that a stopped home may need to be replaced. Bytes: their mean is 6.5 KB then; one request has at
 * most 64 KiB. A process takes as much memory itself. Alone: a lost home is replaced within 4 s, and the next one answers while it starts.
 */
export const waitingLimits: WaitingLimits = {
  requestsMax: 10_000,
  bytesMax: 64 * 1024 * 1024,
  atOnceMax: 64,
  silentMsMax: 3000,
  aloneMsMax: 5000,
};

/** Between two looks at whether the home is silent, or whether there will be one. */
const lookEveryMs = 500;
/** Between two tries to do without a detour; one ends with the next. */
const directEveryMs = 5000;
/** For the answers that a link over a detour still owes, before it is replaced. */
const leaveMsMax = 1000;
/** Until a home whose link ended is dialled again: a home that ends each link at once must not be dialled without a pause. */
const redialMs = 10;

/** A plain request as it was received. */
export interface WholeRequest {
  readonly connection: number;
  readonly bytes: Buffer;
  readonly arrivedAtMs: number;
  /** Until when it may wait for a home. */
  readonly untilMs: number;
}

/** Exactly one of them is called, once; none after the client has disconnected. */
export interface WholeHandlers {
  /** `sentAtMs`: when the request was sent to the home that answers. */
  readonly onResponse: (response: WholeResponse, sentAtMs: number) => void;
  /** No home had time for the request. */
  readonly onUnavailable: (error: PlatformError) => void;
}

/** A connection to the home. */
export interface DialledHome {
  readonly socket: Socket;
  /** Whether it leads to another machine. */
  readonly isOther: boolean;
  /** Whether it goes over a node that passes it on. */
  readonly isDetour: boolean;
}

export interface LinkedHomeDeps {
  readonly clock: Clock;
  /** Resolves with a paused connection. Rejects when aborted. */
  readonly dial: (signal: AbortSignal) => Promise<DialledHome>;
  /** Resolves with whether the home answers without a detour: the next `dial` needs none then. */
  readonly triesDirect: (signal: AbortSignal) => Promise<boolean>;
  /** Asked while there is no link: whether the home has answered that it starts since it was last asked, or needs no network. */
  readonly isHomeNear: () => boolean;
  /** The endpoints of the home; none while there is no home. */
  readonly onCatalogue: (endpoints: readonly CatalogueEndpoint[]) => void;
  /** From now on until there is a link, `isCutOff` is true. Waiting requests have been rejected. */
  readonly onCutOff: () => void;
  /** The link has ended; `isSilent`: nothing arrived on it, but it is not closed. False: there will be no other one. */
  readonly onEnd: (why: string, isSilent: boolean) => boolean;
  readonly limits?: WaitingLimits;
}

interface Open {
  readonly request: WholeRequest;
  readonly handlers: WholeHandlers;
  /** Withdraws it from the link, or from the waiting ones. */
  leave: () => void;
}

export class LinkedHome {
  readonly #deps: LinkedHomeDeps;
  readonly #limits: WaitingLimits;
  /** Connections whose requests were sent, with their facts. */
  readonly #facts = new Map<number, object>();
  /** Those that the present home knows. */
  readonly #announced = new Set<number>();
  readonly #waiting = new Set<Open>();
  #waitingBytes = 0;
  /** Of those that waited, how many are under way. */
  #atOnce = 0;
  #link: RemoteHome | null = null;
  #isLeaving = false;
  #isCutOff = false;
  #dialling = new AbortController();
  #stopLooking: () => void = () => undefined;
  #stopTrying: () => void = () => undefined;

  constructor(deps: LinkedHomeDeps) {
    this.#deps = deps;
    this.#limits = deps.limits ?? waitingLimits;
  }

  /** Dials the home. */
  open(): void {
    void this.#dial();
  }

  /** Ends the link, and dials again: the home is another one. */
  relink(): void {
    if (this.#link !== null) this.#link.close('the home has changed');
    else this.open();
  }

  get isLinked(): boolean {
    return this.#link !== null;
  }

  /** Whether waiting for a home is of no use. */
  get isCutOff(): boolean {
    return this.#isCutOff;
  }

  /** `onChanged`: the call was not settled, and must be sent as a whole, because the home or its routes have changed. */
  enter(route: CatalogueRoute, call: InferenceCall, settle: (outcome: InferenceOutcome) => void, onChanged: () => void): () => void {
    const link = this.#openLink;
    if (link !== null) return link.enter(route, call, settle, onChanged);
    onChanged();
    return () => undefined;
  }

  /** Forwards a request unchanged, or keeps it until there is a home. The returned function reports that its client has disconnected. */
  send(request: WholeRequest, handlers: WholeHandlers): () => void {
    const open: Open = { request, handlers, leave: () => undefined };
    const link = this.#openLink;
    if (link === null) this.#wait(open);
    else this.#sendTo(link, open, false);
    return () => open.leave();
  }

  connected(connection: number, facts: object): void {
    this.#facts.set(connection, facts);
  }

  disconnected(connection: number): void {
    this.#facts.delete(connection);
    if (this.#announced.delete(connection)) this.#link?.disconnected(connection);
  }

  /** Lost without a home. */
  logError(fields: object, message: string): void {
    this.#link?.logError(fields, message);
  }

  /** Null if requests must wait, also behind others that do. */
  get #openLink(): RemoteHome | null {
    return this.#isLeaving || this.#waiting.size > 0 ? null : this.#link;
  }

  async #dial(): Promise<void> {
    this.#dialling.abort();
    const { signal } = (this.#dialling = new AbortController());
    this.#lookForHome();
    const { clock, dial, onCatalogue, onEnd } = this.#deps;
    let dialled: DialledHome;
    try {
      dialled = await dial(signal);
    } catch (error) {
      if (!signal.aborted) onEnd(String(error), false);
      return;
    }
    const { socket, isOther, isDetour } = dialled;
    if (signal.aborted) {
      socket.on('error', () => undefined).destroy();
      return;
    }
    const link = new RemoteHome(socket, {
      clock,
      onCatalogue,
      onLeave: () => (this.#isLeaving = true),
      onEnd: (why) => this.#ended(why),
    });
    this.#link = link;
    this.#isLeaving = false;
    this.#isCutOff = false;
    this.#stopLooking();
    this.#announced.clear();
    this.#atOnce = 0;
    if (isOther) this.#look(socket, link);
    if (isDetour) this.#tryDirect(link);
    socket.resume();
    this.#goOn();
  }

  /** Requests that were sent over it are passed back after this. */
  #ended(why: string): void {
    this.#link = null;
    this.#stopLooking();
    this.#stopTrying();
    this.#deps.onCatalogue([]);
    if (this.#deps.onEnd(why, why === silentHome)) this.#deps.clock.after(redialMs, () => this.open());
  }

  /** Counts looks, not time: this process may itself have been stopped. */
  #lookForHome(): void {
    const { clock, isHomeNear, onCutOff } = this.#deps;
    let looksAlone = 0;
    this.#stopLooking();
    this.#stopLooking = every(clock, lookEveryMs, () => {
      looksAlone = isHomeNear() ? 0 : looksAlone + 1;
      if (looksAlone === 0) this.#isCutOff = false;
      if (this.#isCutOff || looksAlone * lookEveryMs < this.#limits.aloneMsMax) return;
      this.#isCutOff = true;
      for (const { leave, handlers } of this.#waiting) {
        leave();
        handlers.onUnavailable(cutOff());
      }
      onCutOff();
    });
  }

  /** A look that finds the home silent counts only if the next one does, too: this process may itself have been stopped. */
  #look(socket: Socket, link: RemoteHome): void {
    const { clock } = this.#deps;
    let receivedAtMs = clock.nowMs();
    let silentLooks = 0;
    socket.on('data', () => (receivedAtMs = clock.nowMs()));
    this.#stopLooking = every(clock, lookEveryMs, () => {
      silentLooks = clock.nowMs() - receivedAtMs >= this.#limits.silentMsMax - lookEveryMs ? silentLooks + 1 : 0;
      if (silentLooks > 1) link.close(silentHome);
    });
  }

  /** A link over a detour is replaced once the way to the home is open again. What is under way is answered before. */
  #tryDirect(link: RemoteHome): void {
    const { clock, triesDirect } = this.#deps;
    let abort = new AbortController();
    const cancelTries = every(clock, directEveryMs, () => {
      abort.abort();
      abort = new AbortController();
      void triesDirect(abort.signal).then((isDirect) => {
        if (!isDirect || link !== this.#link || this.#isLeaving) return;
        this.#isLeaving = true;
        link.leave();
        clock.after(leaveMsMax, () => link.close('its way to the home was a detour'));
      });
    });
    this.#stopTrying = () => {
      abort.abort();
      cancelTries();
    };
  }

  #sendTo(link: RemoteHome, open: Open, hasWaited: boolean): void {
    const { request, handlers } = open;
    const { connection } = request;
    if (!this.#announced.has(connection)) {
      this.#announced.add(connection);
      link.connected(connection, this.#facts.get(connection) ?? {});
    }
    if (hasWaited) this.#atOnce++;
    let isCounted = hasWaited;
    const onDone = (): void => {
      if (!isCounted || link !== this.#link) return;
      isCounted = false;
      this.#atOnce--;
      this.#goOn();
    };
    const sentAtMs = this.#deps.clock.nowMs();
    const elapsedMs = hasWaited ? sentAtMs - request.arrivedAtMs : null;
    const leave = link.send({ connection, bytes: request.bytes, elapsedMs }, (response) => {
      if (response === null) this.#wait(open);
      else handlers.onResponse(response, sentAtMs);
      onDone();
    });
    open.leave = () => {
      leave();
      onDone();
    };
  }

  #wait(open: Open): void {
    const { clock } = this.#deps;
    const { request, handlers } = open;
    const { requestsMax, bytesMax } = this.#limits;
    const leftMs = request.untilMs - clock.nowMs();
    if (this.#isCutOff) {
      open.leave = () => undefined;
      return handlers.onUnavailable(cutOff());
    }
    const isFull = this.#waiting.size >= requestsMax || this.#waitingBytes + request.bytes.length > bytesMax;
    if (isFull || leftMs <= 0) {
      open.leave = () => undefined;
      return handlers.onUnavailable(noHome(isFull ? 'too many requests wait for it already' : 'the time of the request is over'));
    }
    this.#waiting.add(open);
    this.#waitingBytes += request.bytes.length;
    const cancel = clock.after(leftMs, () => {
      open.leave();
      handlers.onUnavailable(noHome('the time of the request is over'));
    });
    open.leave = () => {
      cancel();
      if (this.#waiting.delete(open)) this.#waitingBytes -= request.bytes.length;
    };
  }

  /** In the order of their arrival. */
  #goOn(): void {
    for (const open of this.#waiting) {
      if (this.#link === null || this.#isLeaving || this.#atOnce >= this.#limits.atOnceMax) return;
      open.leave();
      this.#sendTo(this.#link, open, true);
    }
  }
}

const silentHome = 'the home is silent';
