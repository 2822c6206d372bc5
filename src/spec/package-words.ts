/** What any package manager may call a package, and for dnf(8) `@group`; src/spec/check-packages.ts knows each one's own rules. */
export const anyPackageName = /^(@\^?)?[A-Za-z0-9][A-Za-z0-9+._-]*$/;

/** Debian policy 5.6.12; versions of rpm with their release look alike, and may have `^` and `_` (rpm-version(7)). */
export const anyVersion = /^([0-9]+:)?[A-Za-z0-9][A-Za-z0-9.+~^_-]*$/;
