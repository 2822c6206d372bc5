/** What `{…}` in the name of a registration may stand for; src/register/name.ts fills it in. */
export const nameWords = ['image', 'target', 'release', 'architecture', 'digest'] as const;
