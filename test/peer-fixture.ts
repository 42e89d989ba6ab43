/** What a host of a test needs to read from other hosts and to serve them, over real TLS on 127.0.0.1. */
import { SystemClock } from '../src/clock.ts';
import { PeerGrants } from '../src/hosts/agent/peer-grants.ts';
import { PeerLinks } from '../src/hosts/agent/peer-links.ts';
import { PeerServer, type PeerServerOptions } from '../src/hosts/agent/peer-server.ts';
import type { ObjectPeer } from '../src/hosts/link/peer-messages.ts';
import type { LinkIdentity } from '../src/links/index.ts';
import type { Log } from '../src/logs/index.ts';
import type { TestCluster } from './links-fixture.ts';

const quiet = (): void => undefined;
const log = { debug: quiet, info: quiet, warn: quiet, error: quiet } as unknown as Log;

export class PeerFixture {
  readonly name: string;
  readonly grants: PeerGrants;
  readonly links: PeerLinks;
  readonly #clock = new SystemClock();
  readonly #identity: LinkIdentity;
  #server: PeerServer | null = null;
  #port = 0;

  private constructor(name: string, identity: LinkIdentity) {
    this.name = name;
    this.#identity = identity;
    this.grants = new PeerGrants(this.#clock);
    this.links = new PeerLinks({ clock: this.#clock, identity: () => identity });
  }

  /** `identity`: default that of the host `name`. */
  static async open(cluster: TestCluster, name: string, identity?: LinkIdentity): Promise<PeerFixture> {
    return new PeerFixture(name, identity ?? (await cluster.identityOf({ role: 'host', name })));
  }

  /** Where others read from it. */
  get peer(): ObjectPeer {
    return { host: this.name, address: `127.0.0.1:${this.#port}` };
  }

  get sentBytes(): number {
    return this.#server?.sentBytes ?? 0;
  }

  async serve(objects: Pick<PeerServerOptions, 'locate'>): Promise<{ readonly port: number; readonly grants: PeerGrants }> {
    const address = { host: '127.0.0.1', port: 0 };
    const options = { clock: this.#clock, log, address, identity: this.#identity, grants: this.grants };
    const { server, port } = await PeerServer.open({ ...options, locate: (sha256, start) => objects.locate(sha256, start) });
    [this.#server, this.#port] = [server, port];
    return { port, grants: this.grants };
  }

  async close(): Promise<void> {
    this.links.close();
    await this.#server?.close();
  }
}
