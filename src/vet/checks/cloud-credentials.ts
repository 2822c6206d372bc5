import type {Check} from '../check.ts';
import {type SecretFile, type SecretPattern, SecretSearch} from '../secrets.ts';

/**
 * Formats as the services publish them. `EXAMPLE` at the end is what AWS writes in its documentation; whoever writes a
 * variable or asks for a value (`$OS_PASSWORD_INPUT`, `<password>`) writes no secret.
 */
const patterns: readonly SecretPattern[] = [
  {
    detail: 'a secret key of AWS, or of a service with its API',
    severity: 'high',
    word: 'ecret',
    content:
      /\b(?:aws_?)?secret_?(?:access_?)?key["']?\s*[=:>]\s*["']?(?![A-Za-z0-9/+]*EXAMPLE)[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])/i,
  },
  {
    detail: 'a secret key of AWS, or of a service with its API',
    severity: 'high',
    word: '_SECRET_',
    content:
      /\b(?:AWS|EC2|S3)_SECRET_(?:ACCESS_)?KEY["']?\s*[=:]\s*["']?(?![A-Za-z0-9/+]*EXAMPLE)[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])/,
  },
  {
    detail: 'an access key id of AWS',
    severity: 'medium',
    word: 'KIA',
    content: /(?<![A-Za-z0-9])AKIA(?![A-Z2-7]*EXAMPLE)[A-Z2-7]{16}(?![A-Za-z0-9])/,
  },
  {
    detail: 'a key of a service account of Google Cloud',
    severity: 'high',
    word: 'service_account',
    content: /"type"\s*:\s*"service_account"/,
    also: /"private_key"\s*:\s*"-----BEGIN/,
  },
  {
    detail: 'a connection string of Azure',
    severity: 'high',
    word: 'AccountKey=',
    content: /\bAccountKey=[A-Za-z0-9+/]{86}==/,
  },
  {
    detail: 'a connection string of Azure',
    severity: 'high',
    word: 'SharedAccessKey=',
    content: /\bSharedAccessKey=[A-Za-z0-9+/]{43}=/,
  },
  {
    detail: 'a token of GitHub',
    severity: 'high',
    word: 'gh',
    content: /(?<![A-Za-z0-9_])gh[pousr]_[A-Za-z0-9]{36}(?![A-Za-z0-9])/,
  },
  {
    detail: 'a token of GitHub',
    severity: 'high',
    word: 'github_pat_',
    content: /\bgithub_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}\b/,
  },
  {
    detail: 'a token of GitLab',
    severity: 'high',
    word: 'glpat-',
    content: /(?<![A-Za-z0-9])glpat-[A-Za-z0-9_-]{20}/,
  },
  {
    detail: 'a token of npm',
    severity: 'high',
    word: 'npm_',
    content: /(?<![A-Za-z0-9_])npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])/,
  },
  {
    detail: 'a token of a registry of packages',
    severity: 'high',
    path: /\/\.npmrc$/,
    word: '_auth',
    content: /:_auth(?:Token)?\s*=\s*[^\s$]/,
  },
  {
    detail: 'a password of an OpenStack cloud',
    severity: 'high',
    path: /\/(?:clouds|secure)\.ya?ml$/,
    word: ':',
    content:
      /^[ \t]{0,80}(?:-[ \t]{0,8})?["']?(?:password|application_credential_secret|token)["']?\s*:\s*[^\s#$<]/m,
  },
  {
    detail: 'a password of an OpenStack cloud',
    severity: 'high',
    word: 'OS_',
    content:
      /^[ \t]{0,80}(?:export[ \t]{1,8})?OS_(?:PASSWORD|TOKEN|APPLICATION_CREDENTIAL_SECRET)=["']?[^\s"'$<(`#]/m,
  },
  {
    detail: 'a login to a registry of containers',
    severity: 'high',
    path: /\/(?:\.docker\/config|containers\/auth|\.dockercfg)(?:\.json)?$/,
    word: 'auth',
    content: /"(?:auth|identitytoken|registrytoken)"\s*:\s*"[^"]/,
  },
  {
    detail: 'a password (netrc)',
    severity: 'high',
    path: /\/(?:[._]netrc|apt\/auth\.conf(?:\.d\/[^/]+)?)$/,
    word: 'password',
    content: /\bpassword\s+\S/,
  },
  {
    detail: 'credentials of a Kubernetes cluster',
    severity: 'high',
    path: /\/(?:\.kube\/config|kubeconfig|[^/]+\.kubeconfig|kubernetes\/[^/]+\.conf)$/,
    word: ':',
    content: /^[ \t]{0,80}(?:-[ \t]{0,8})?(?:token|client-key-data|password)\s*:\s*["']?[A-Za-z0-9]/m,
  },
];

const files: readonly SecretFile[] = [
  {detail: 'a login to OpenNebula', severity: 'high', path: /\/\.one\/one_auth$/},
  {detail: 'a password of a database', severity: 'high', path: /\/\.pgpass$/},
  {detail: 'a token of Vault', severity: 'high', path: /\/\.vault-token$/},
  {
    detail: 'a login to Azure',
    severity: 'high',
    path: /\/\.azure\/(?:msal_token_cache|accessTokens)\.(?:json|bin)$/,
  },
  {
    detail: 'a login to Google Cloud',
    severity: 'high',
    path: /\/gcloud\/(?:credentials\.db|access_tokens\.db|application_default_credentials\.json)$/,
  },
];

const search = new SecretSearch(patterns, files);

/** What lets somebody in elsewhere. */
export const cloudCredentials: Check = {
  name: 'cloud-credentials',
  entry: (entry, look) => search.in(entry, look),
};
