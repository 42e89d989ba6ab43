/**
 * Decides which addresses a webhook can call. URLs come from users with few rights, but the server has access they lack: its own loopback
 * and its operator's network. So a webhook never reaches the server's own listeners, and reaches private networks only if the operator
 * allows it.
 */
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { PlatformError } from '../../errors.ts';
import { addressKind, canonicalAddress } from './addresses.ts';
import { webhookUrl } from './webhook-url.ts';

/** Which addresses are allowed beyond public ones. */
export interface WebhookPolicyOptions {
  /** `webhookPrivate` of the config: private networks and, off loopback, other programs of this machine. */
  readonly allowsPrivate: boolean;
  /** The server listens on loopback only, so its receivers can be there, too. */
  readonly listensOnLoopback: boolean;
  /** URLs in config.json, written by the operator: they can be private. */
  readonly configuredUrls: readonly string[];
  /** Addresses of this machine. */
  readonly machineAddresses?: () => readonly string[];
}

/** Checks the address of the connection, not the name: a name can resolve to something else the next time. */
export class WebhookPolicy {
  readonly #options: WebhookPolicyOptions;
  readonly #configuredUrls: ReadonlySet<string>;
  readonly #ownPorts = new Set<number>();

  constructor(options: WebhookPolicyOptions) {
    this.#options = options;
    this.#configuredUrls = new Set(options.configuredUrls);
  }

  /** Registers a port this server listens on. */
  addOwnPort(port: number): void {
    this.#ownPorts.add(port);
  }

  /** Registers an address this server listens on: `http://127.0.0.1:8080`, `[::1]:8001`. */
  addOwnAddress(address: string): void {
    this.addOwnPort(Number(address.slice(address.lastIndexOf(':') + 1)));
  }

  /** Checks everything that needs no lookup. Throws `invalid_request`. */
  checkUrl(text: string): URL {
    const url = webhookUrl(text);
    const host = hostOf(url);
    if (isIP(host) !== 0) this.checkAddress(host, url, text);
    else if (/^(?:.+\.)?localhost\.?$/i.test(host)) this.checkAddress('127.0.0.1', url, text);
    return url;
  }

  /** Checks an address that the host of `url` resolved to. `text`: the URL as it was given. Throws `invalid_request`. */
  checkAddress(address: string, url: URL, text: string): void {
    const refusal = this.#refusal(address, url, text);
    if (refusal === null) return;
    const host = hostOf(url);
    const named = host === address ? host : `${host} resolves to ${address}`;
    throw new PlatformError('invalid_request', `the webhook ${url.origin} is not called: ${named}, ${refusal}`);
  }

  #refusal(address: string, url: URL, text: string): string | null {
    const kind = addressKind(address);
    if (kind === 'forbidden') return 'which can serve cloud credentials or is not a single machine';
    const isThisMachine = kind === 'loopback' || this.#isOwn(address);
    if (isThisMachine && this.#ownPorts.has(portOf(url))) return 'where this server itself listens';
    const { allowsPrivate, listensOnLoopback } = this.#options;
    if (allowsPrivate || this.#configuredUrls.has(text)) return null;
    const cure = 'Set `"webhookPrivate": "allow"` in config.json to allow it';
    if (isThisMachine) return listensOnLoopback ? null : `which is this machine. ${cure}`;
    return kind === 'private' ? `which is in a private network. ${cure}` : null;
  }

  #isOwn(address: string): boolean {
    const { machineAddresses = interfaceAddresses } = this.#options;
    const canonical = canonicalAddress(address);
    return machineAddresses().some((own) => canonicalAddress(own) === canonical);
  }
}

function interfaceAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((addresses = []) => addresses.map(({ address }) => address));
}

function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '');
}

function portOf({ port, protocol }: URL): number {
  if (port !== '') return Number(port);
  return protocol === 'https:' ? 443 : 80;
}
