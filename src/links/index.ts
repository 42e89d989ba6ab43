export {
  type CertifiedKey,
  createAuthority,
  issueCertificate,
  newPrivateKey,
  publicKeyOf,
  requestedKey,
} from './certificates.ts';
export { serveDetours } from './detours.ts';
export { dialHost, type HostDial } from './dial-host.ts';
export { HomeDialer, type HomeDialerOptions } from './home-dialer.ts';
export { HostIdentity, type HostIdentityOptions } from './host-identity.ts';
export { introductionBytes, readIntroduction } from './introduction.ts';
export { renewalTimeMs } from './join.ts';
export { authorityHash, type JoinToken, joinTokenText, parseJoinToken } from './join-token.ts';
export { addressParts } from './link-attempt.ts';
export { certificatesOf, type LinkIdentity, type LinkPeer, peerName } from './link-peer.ts';
export { defaultLinkLimits, type LinkKind, type LinkLimits, LinkPort, type LinkRequest, type ServeLink } from './link-port.ts';
export { firstProtocols, haveCommonProtocol, type LinkProtocols, linkProtocols, protocolsText } from './protocols.ts';
export { echoBit, type MeasuredLink, RoundTrips } from './round-trips.ts';
