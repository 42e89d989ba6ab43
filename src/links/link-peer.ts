/** The names in the certificates of a cluster, and whether a certificate is one of them. */
import { X509Certificate } from 'node:crypto';
import { PlatformError } from '../errors.ts';

/** The process at the other end of a link, as its certificate names it. */
export interface LinkPeer {
  /** A node has the database and may become the home; a host runs workers. */
  readonly role: 'node' | 'host';
  readonly name: string;
}

/** The name of a node or a host. */
export const peerName = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;

/** With what a process shows that it belongs to the cluster, and recognizes others. All PEM. */
export interface LinkIdentity {
  /** The certificate of the process, then that of the authority that issued it. */
  readonly cert: string;
  readonly key: string;
  /** The certificates of all authorities that the cluster trusts: two while they are exchanged. */
  readonly authorities: string;
}

/** `penstock://cluster/host/gpu-1`: the only alternative name in the certificate of the peer. */
export function peerUri({ role, name }: LinkPeer): string {
  return `penstock://cluster/${role}/${name}`;
}

/** Null if the certificate names no peer, or anything besides. */
export function peerOf({ subjectAltName }: Pick<X509Certificate, 'subjectAltName'>): LinkPeer | null {
  const [, role, name] = /^URI:penstock:\/\/cluster\/(node|host)\/([A-Za-z0-9-]+)$/.exec(subjectAltName ?? '') ?? [];
  if ((role !== 'node' && role !== 'host') || name === undefined || !peerName.test(name)) return null;
  return { role, name };
}

/** The certificates of a PEM text, in order. */
export function certificatesOf(pem: string): X509Certificate[] {
  const texts = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return texts.map((text) => new X509Certificate(text));
}

/**
 * The peer that a certificate proves. Throws `forbidden` if none of the authorities issued it, or if it is not valid now. TLS checks the
 * same at each handshake, but not when a session is resumed.
 */
export function provenPeer(certificate: X509Certificate, authorities: readonly X509Certificate[], wallMs: number): LinkPeer {
  const issuer = authorities.find((each) => certificate.checkIssued(each) && certificate.verify(each.publicKey));
  if (issuer === undefined) throw new PlatformError('forbidden', 'its certificate was not issued by an authority of this cluster');
  for (const { validFrom, validTo } of [certificate, issuer]) {
    if (wallMs < Date.parse(validFrom)) throw new PlatformError('forbidden', `its certificate is valid from ${validFrom}, not yet`);
    if (wallMs >= Date.parse(validTo)) throw new PlatformError('forbidden', `its certificate has expired at ${validTo}`);
  }
  const peer = peerOf(certificate);
  if (peer === null) throw new PlatformError('forbidden', 'its certificate names neither a node nor a host');
  return peer;
}
