/** The links of a node: its port, its certificate, which it issues itself and renews, and what it knows of the certificates of hosts. */
import type { ClusterKeys } from '../access/index.ts';
import { type Clock, Loop } from '../clock.ts';
import { addressParts, type LinkIdentity, type LinkPeer, LinkPort, renewalTimeMs, serveDetours } from '../links/index.ts';
import type { Database } from '../storage/index.ts';
import { Authority } from './authority.ts';
import { HostCertificates } from './host-certificates.ts';
import { JoinTokens } from './join-tokens.ts';
import { serveJoins } from './serve-joins.ts';

/** A removed host is refused at its next link at once, and its open links end within this time. */
const lookEveryMs = 1000;

export interface NodeLinksOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly clusterKeys: ClusterKeys;
  /** The name of the node. */
  readonly name: string;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** `HOST:PORT` of the node that serves, as far as this one knows. */
  readonly homeAddress: () => string | null;
  /** `HOST:PORT` of all nodes, the home first. */
  readonly nodes: () => readonly string[];
  /** The next look is due in a second. */
  readonly onFailure: (error: unknown) => void;
}

export class NodeLinks {
  readonly #options: NodeLinksOptions;
  readonly #loop: Loop;
  readonly #listeners = new Set<(identity: LinkIdentity) => void>();
  readonly authority: Authority;
  readonly hosts: HostCertificates;
  readonly tokens: JoinTokens;
  /** Other modules register what they serve: `port.serve(…)`. */
  readonly port: LinkPort;
  #identity: LinkIdentity;
  #address = '';

  private constructor(options: NodeLinksOptions, authority: Authority, identity: LinkIdentity) {
    const { db, clock, host, port, homeAddress, onFailure } = options;
    this.#options = options;
    this.authority = authority;
    this.hosts = new HostCertificates(db, clock);
    this.tokens = new JoinTokens(db);
    this.#identity = identity;
    const checkPeer = (peer: LinkPeer, serial: string): Promise<void> => this.hosts.check(peer, serial);
    this.port = new LinkPort({ clock, host, port, identity, homeAddress, checkPeer });
    this.#loop = new Loop({ clock, everyMs: lookEveryMs, run: () => this.refresh(), onFailure });
  }

  /** Listens when it resolves. Throws `unavailable` if the port cannot be bound, `wrong_state` with another cluster key. */
  static async open(options: NodeLinksOptions): Promise<NodeLinks> {
    const authority = await Authority.open(options);
    const links = new NodeLinks(options, authority, await authority.identityOf(peerOfNode(options)));
    await links.hosts.refresh();
    serveJoins(links.port, { ...options, nodes: () => links.nodes, authority, tokens: links.tokens, hosts: links.hosts });
    serveDetours(links.port, { ...options, ownAddress: () => links.#address });
    links.#address = await links.#listen();
    links.#loop.open();
    return links;
  }

  /** A restarted node is found where it was: processes that are not linked to a node at the moment know its last address. */
  async #listen(): Promise<string> {
    const { db, name, host, port } = this.#options;
    const row = await db.selectFrom('cluster_nodes').select('address').where('name', '=', name).executeTakeFirst();
    const last = addressParts(row?.address ?? '');
    if (port !== 0 || last?.host !== host) return this.port.listen();
    return this.port.listen(last.port).catch(() => this.port.listen());
  }

  /** `HOST:PORT` of all nodes, the home first. */
  get nodes(): readonly string[] {
    const nodes = this.#options.nodes();
    return nodes.length === 0 ? [this.#address] : nodes;
  }

  /** `HOST:PORT` as bound. */
  get address(): string {
    return this.#address;
  }

  /** With what this node opens links to others. */
  get identity(): LinkIdentity {
    return this.#identity;
  }

  /** `listener` is called with each later identity of this node. */
  onIdentity(listener: (identity: LinkIdentity) => void): void {
    this.#listeners.add(listener);
  }

  /** Looks at the database: who is trusted, which hosts were removed. Renews the certificate of this node when it is due. */
  async refresh(): Promise<void> {
    const { clock } = this.#options;
    const { authority, hosts, port } = this;
    const before = this.#identity.authorities;
    await authority.refresh();
    await hosts.refresh();
    const isReplaced = !authority.trusted.includes(before.slice(0, before.indexOf('-----END')));
    if (authority.trusted !== before || clock.wallMs() >= renewalTimeMs(this.#identity)) {
      this.#identity = await authority.identityOf(peerOfNode(this.#options));
      port.setIdentity(this.#identity);
      for (const listener of this.#listeners) listener(this.#identity);
    }
    // After an urgent rotation, nothing that was opened before is trusted.
    port.endLinks((peer, serial) => isReplaced || !hosts.isCounted(peer, serial));
  }

  async close(): Promise<void> {
    await this.#loop.close();
    await this.port.close();
  }
}

function peerOfNode({ name }: Pick<NodeLinksOptions, 'name'>): LinkPeer {
  return { role: 'node', name };
}
