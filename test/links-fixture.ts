/** Links over real TLS on 127.0.0.1, between a node and its dialers, with certificates of one new cluster. */
import type { Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { type Clock, SystemClock } from '../src/clock.ts';
import { newPrivateKey, publicKeyOf } from '../src/links/certificates.ts';
import {
  type CertifiedKey,
  createAuthority,
  HomeDialer,
  issueCertificate,
  type LinkIdentity,
  type LinkKind,
  type LinkPeer,
  LinkPort,
} from '../src/links/index.ts';
import type { LinkPortOptions } from '../src/links/link-port.ts';
import { SeededRandom } from '../src/random.ts';

const dayMs = 86_400_000;

/** A certificate authority for tests. */
export class TestCluster {
  readonly #authority: CertifiedKey;

  private constructor(authority: CertifiedKey) {
    this.#authority = authority;
  }

  static async create(): Promise<TestCluster> {
    return new TestCluster(await createAuthority({ wallMs: Date.now(), validMs: 30 * dayMs }));
  }

  /** The certificate of the authority, PEM. */
  get cert(): string {
    return this.#authority.cert;
  }

  /** `wallMs`: when the certificate is issued; it is valid for a day. */
  async identityOf(peer: LinkPeer, wallMs = Date.now()): Promise<LinkIdentity> {
    const key = newPrivateKey();
    const leaf = await issueCertificate(this.#authority, { peer, publicKey: publicKeyOf(key), wallMs, validMs: dayMs });
    return { cert: leaf + this.cert, key, authorities: this.cert };
  }
}

export interface LinkedPair {
  readonly cluster: TestCluster;
  /** Listens already; not yet the home. */
  readonly port: LinkPort;
  /** `127.0.0.1:PORT` */
  readonly address: string;
  /** A dialer that knows the address. Default: of the host `h1`. */
  dialerOf(peer?: LinkPeer): Promise<HomeDialer>;
}

/**
 * A node `n1` that listens for links, and dialers for it. Call `port.serve(…)` and `port.becomeHome()`, then `(await dialerOf()).dial(…)`.
 * Closed after the test.
 */
export async function linkedPair(
  context: Pick<TestContext, 'after'>,
  { clock = new SystemClock(), ...options }: Partial<LinkPortOptions> & { readonly clock?: Clock } = {},
): Promise<LinkedPair> {
  const cluster = await TestCluster.create();
  const identity = await cluster.identityOf({ role: 'node', name: 'n1' });
  const port = new LinkPort({ clock, host: '127.0.0.1', port: 0, identity, homeAddress: () => null, ...options });
  const address = await port.listen();
  context.after(() => port.close());
  return {
    cluster,
    port,
    address,
    dialerOf: async (peer = { role: 'host', name: 'h1' }) => {
      const dialed = await cluster.identityOf(peer);
      return new HomeDialer({ clock, random: new SeededRandom(1), addresses: [address], identity: dialed });
    },
  };
}

/** Both ends of one link, paused. */
export async function linkEnds(
  context: Pick<TestContext, 'after'>,
  kind: LinkKind,
  peer: LinkPeer,
): Promise<{ readonly near: Socket; readonly far: Socket }> {
  const pair = await linkedPair(context);
  const accepted = new Promise<Socket>((resolve) => pair.port.serve(kind, [peer.role], (socket) => resolve(socket)));
  pair.port.becomeHome();
  const far = await (await pair.dialerOf(peer)).dial(kind, {}, AbortSignal.timeout(10_000));
  context.after(() => void far.destroy());
  return { near: await accepted, far };
}
