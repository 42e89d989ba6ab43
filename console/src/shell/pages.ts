/** The pages in the sidebar, in the search, and behind the shortcuts `g` and a letter. */
import type { IconName } from '../kit/icon.tsx';

export interface NavigationPage {
  readonly to:
    | '/'
    | '/endpoints'
    | '/models'
    | '/environments'
    | '/jobs'
    | '/training'
    | '/pipelines'
    | '/what-if'
    | '/selection'
    | '/costs'
    | '/monitoring'
    | '/cluster'
    | '/settings'
    | '/deploy';
  readonly title: string;
  readonly icon: IconName;
  /** The shortcut: `g`, then this key. */
  readonly key: string;
  /** The section of the sidebar. The search lists all pages. */
  readonly place: 'main' | 'system' | 'search';
}

export const pages: readonly NavigationPage[] = [
  { to: '/', title: 'Overview', icon: 'home', key: 'o', place: 'main' },
  { to: '/endpoints', title: 'Endpoints', icon: 'endpoint', key: 'e', place: 'main' },
  { to: '/models', title: 'Models', icon: 'model', key: 'm', place: 'main' },
  { to: '/jobs', title: 'Jobs', icon: 'jobs', key: 'j', place: 'main' },
  { to: '/training', title: 'Training', icon: 'training', key: 't', place: 'main' },
  { to: '/pipelines', title: 'Pipelines', icon: 'pipelines', key: 'p', place: 'main' },
  { to: '/what-if', title: 'What-if', icon: 'whatIf', key: 'w', place: 'main' },
  { to: '/selection', title: 'Selection', icon: 'selection', key: 'l', place: 'main' },
  { to: '/costs', title: 'Costs', icon: 'costs', key: 'c', place: 'main' },
  { to: '/monitoring', title: 'Monitoring', icon: 'monitoring', key: 'a', place: 'main' },
  { to: '/environments', title: 'Environments', icon: 'file', key: 'n', place: 'system' },
  { to: '/cluster', title: 'Cluster', icon: 'cluster', key: 'u', place: 'system' },
  { to: '/settings', title: 'Settings', icon: 'settings', key: 's', place: 'system' },
  { to: '/deploy', title: 'Deploy a model', icon: 'plus', key: 'd', place: 'search' },
];
