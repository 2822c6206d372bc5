/** One archive of Debian packages, as sources.list(5) has it. Plain data: it stands in a stage's parameters. */
export interface AptSource {
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
  /** Absolute path of a keyring of the host and the image, or a project file when `project_key` says so. */
  readonly signed_by: string;
  readonly project_key: boolean;
  /** A snapshot's Release file is past its Valid-Until by nature. */
  readonly expired_ok: boolean;
}

/**
 * One-line sources for apt. `projectKey` turns a project's key file into the path that apt is to read; absent: no keys
 * are named.
 */
export function sourceLines(sources: readonly AptSource[], projectKey?: (file: string) => string): string {
  const lines = sources.map((source) => {
    const options = [
      ...(projectKey === undefined
        ? []
        : [`signed-by="${source.project_key ? projectKey(source.signed_by) : source.signed_by}"`]),
      ...(source.expired_ok ? ['check-valid-until=no'] : []),
    ];
    const bracket = options.length === 0 ? '' : `[${options.join(' ')}] `;
    return `deb ${bracket}${source.uri} ${source.suite} ${source.components.join(' ')}`.trimEnd();
  });
  return `${lines.join('\n')}\n`;
}
