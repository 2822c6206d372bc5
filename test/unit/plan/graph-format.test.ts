import {describe, expect, it} from 'vitest';
import type {StageNode} from '../../../src/plan/graph.ts';
import {formatGraph, graphFormats, type StageState} from '../../../src/plan/graph-format.ts';
import {planImages} from '../../../src/plan/plan.ts';
import {targetOfType} from '../../../targets/registry.ts';
import {hpc, image, openstack, shellStep} from '../../rig/images.ts';

function stage(id: string, dependsOn: readonly string[] = [], more: Partial<StageNode> = {}): StageNode {
  return {
    id,
    kind: 'packages',
    title: `title of ${id}`,
    dependsOn,
    layers: [],
    version: 1,
    params: {},
    files: {},
    tools: [],
    environment: {},
    origins: [],
    ...more,
  };
}

const nodes = [
  stage('archive:debian'),
  stage('base:debian', ['archive:debian']),
  stage('customize:web/packages', ['archive:debian', 'base:debian'], {image: 'web'}),
  stage('pack:web/hpc', ['base:debian', 'customize:web/packages'], {image: 'web', target: 'hpc'}),
];
const states = new Map<string, StageState>([
  ['archive:debian', 'hit'],
  ['base:debian', 'hit'],
  ['customize:web/packages', 'run'],
  ['pack:web/hpc', 'unknown'],
]);

const odd = [
  stage('a"b\\c<d>&e#f`g\u001Bh', [], {title: 'A "title" <b> & \\N\nmore\u0000'}),
  stage("x'y;z|{}[]()", ['a"b\\c<d>&e#f`g\u001Bh']),
];

/** A plan of four images on two systems, with layers, targets and tests. */
async function large(): Promise<readonly StageNode[]> {
  const parts = {
    packages: [{name: 'curl'}],
    hostname: 'web',
    groups: [{name: 'operators', members: []}],
    provision: [shellStep({inline: 'true'}), shellStep({inline: 'false'})],
  } as const;
  const os = {distribution: 'debian', release: 'trixie', architecture: 'amd64'} as const;
  const planned = await planImages({
    images: [
      image(parts),
      image({...parts, name: 'db', from: 'web'}),
      image({...parts, name: 'login', os}),
      image({
        ...parts,
        name: 'node',
        targets: [hpc(), {...hpc(), name: 'a-very-long-name-of-a-target-that-nobody-can-read'}, openstack()],
      }),
    ],
    projectDir: '/nonexistent',
    targetOfType,
    archiveOf: () => ({main: 'http://mirror.example.org/debian'}),
    test: true,
    onlyImages: [],
    onlyTargets: [],
    environment: {},
  });
  return planned.nodes;
}

describe('formatGraph()', () => {
  it('writes mermaid', () => {
    expect(formatGraph(nodes, states, 'mermaid')).toMatchInlineSnapshot(`
      "flowchart TB
        s0["archive:debian"]:::hit
        s1["base:debian"]:::hit
        s2["customize:web/packages"]:::run
        s3["pack:web/hpc"]:::unknown
        s0 --> s1
        s1 --> s2
        s2 --> s3
        subgraph key [Key]
          direction LR
          k0["hit"]:::hit
          k1["run"]:::run
          k2["unknown"]:::unknown
        end
        classDef hit fill:#d3f2da,stroke:#1f7a3a,color:#16191d
        classDef run fill:#ffe8b8,stroke:#a86400,color:#16191d
        classDef unknown fill:#e9ebef,stroke:#5f6773,color:#16191d,stroke-dasharray:4 3
      "
    `);
    expect(formatGraph(odd, new Map(), 'mermaid')).toMatchInlineSnapshot(`
      "flowchart TB
        s0["a#34;b#92;c#60;d#62;#38;e#35;f#96;g h"]:::unknown
        s1["x'y#59;z#124;#123;#125;#91;#93;()"]:::unknown
        s0 --> s1
        subgraph key [Key]
          direction LR
          k0["unknown"]:::unknown
        end
        classDef unknown fill:#e9ebef,stroke:#5f6773,color:#16191d,stroke-dasharray:4 3
      "
    `);
  });

  it('writes dot', () => {
    expect(formatGraph(nodes, states, 'dot')).toMatchInlineSnapshot(`
      "digraph fgimage {
        rankdir=TB;
        node [shape=box, style="rounded,filled", fontname="monospace", fontsize=11, fontcolor="#16191d"];
        edge [color="#7a828e", arrowsize=0.7];
        "archive:debian" [fillcolor="#d3f2da", color="#1f7a3a", tooltip="title of archive:debian: hit"];
        "base:debian" [fillcolor="#d3f2da", color="#1f7a3a", tooltip="title of base:debian: hit"];
        "customize:web/packages" [fillcolor="#ffe8b8", color="#a86400", tooltip="title of customize:web/packages: run"];
        "pack:web/hpc" [fillcolor="#e9ebef", color="#5f6773", style="rounded,filled,dashed", tooltip="title of pack:web/hpc: unknown"];
        "archive:debian" -> "base:debian";
        "base:debian" -> "customize:web/packages";
        "customize:web/packages" -> "pack:web/hpc";
        subgraph cluster_legend {
          label="Legend"; fontname="monospace"; fontsize=11; color="#c4c9d1";
          "legend hit" [label="hit", fillcolor="#d3f2da", color="#1f7a3a"];
          "legend run" [label="run", fillcolor="#ffe8b8", color="#a86400"];
          "legend unknown" [label="unknown", fillcolor="#e9ebef", color="#5f6773", style="rounded,filled,dashed"];
        }
      }
      "
    `);
    expect(formatGraph(odd, new Map(), 'dot')).toMatchInlineSnapshot(`
      "digraph fgimage {
        rankdir=TB;
        node [shape=box, style="rounded,filled", fontname="monospace", fontsize=11, fontcolor="#16191d"];
        edge [color="#7a828e", arrowsize=0.7];
        "a\\"b\\\\c<d>&e#f\`g h" [fillcolor="#e9ebef", color="#5f6773", style="rounded,filled,dashed", tooltip="A \\"title\\" <b> & \\\\N more : unknown"];
        "x'y;z|{}[]()" [fillcolor="#e9ebef", color="#5f6773", style="rounded,filled,dashed", tooltip="title of x'y;z|{}[](): unknown"];
        "a\\"b\\\\c<d>&e#f\`g h" -> "x'y;z|{}[]()";
        subgraph cluster_legend {
          label="Legend"; fontname="monospace"; fontsize=11; color="#c4c9d1";
          "legend unknown" [label="unknown", fillcolor="#e9ebef", color="#5f6773", style="rounded,filled,dashed"];
        }
      }
      "
    `);
  });

  it('writes JSON with everything that a stage depends on', () => {
    expect(formatGraph(nodes, states, 'json')).toMatchInlineSnapshot(`
      "{
        "version": 1,
        "stages": [
          {
            "id": "archive:debian",
            "kind": "packages",
            "title": "title of archive:debian",
            "state": "hit",
            "dependsOn": []
          },
          {
            "id": "base:debian",
            "kind": "packages",
            "title": "title of base:debian",
            "state": "hit",
            "dependsOn": [
              "archive:debian"
            ]
          },
          {
            "id": "customize:web/packages",
            "kind": "packages",
            "title": "title of customize:web/packages",
            "image": "web",
            "state": "run",
            "dependsOn": [
              "archive:debian",
              "base:debian"
            ]
          },
          {
            "id": "pack:web/hpc",
            "kind": "packages",
            "title": "title of pack:web/hpc",
            "image": "web",
            "target": "hpc",
            "state": "unknown",
            "dependsOn": [
              "base:debian",
              "customize:web/packages"
            ]
          }
        ]
      }
      "
    `);
  });

  it('writes SVG', () => {
    expect(formatGraph(nodes, states, 'svg')).toMatchInlineSnapshot(`
      "<svg xmlns="http://www.w3.org/2000/svg" width="332" height="298" viewBox="0 0 332 298" role="img" aria-label="Graph of stages">
      <style>
      text { font: 12px "DejaVu Sans Mono", Menlo, Consolas, "Liberation Mono", monospace; fill: #16191d; }
      .edge { fill: none; stroke: #7a828e; stroke-width: 1.2; marker-end: url(#arrow); }
      </style>
      <defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0.8 L7.5 4 L0 7.2 z" fill="#7a828e"/></marker></defs>
      <rect width="332" height="298" fill="#ffffff"/>
      <rect x="20" y="20" width="16" height="14" rx="5" fill="#d3f2da" stroke="#1f7a3a" stroke-width="1.4"/>
      <text x="42" y="31" textLength="43.5" lengthAdjust="spacingAndGlyphs">hit: 2</text>
      <rect x="107.5" y="20" width="16" height="14" rx="5" fill="#ffe8b8" stroke="#a86400" stroke-width="1.4"/>
      <text x="129.5" y="31" textLength="43.5" lengthAdjust="spacingAndGlyphs">run: 1</text>
      <rect x="195" y="20" width="16" height="14" rx="5" fill="#e9ebef" stroke="#5f6773" stroke-width="1.4" stroke-dasharray="4 3"/>
      <text x="217" y="31" textLength="72.5" lengthAdjust="spacingAndGlyphs">unknown: 1</text>
      <path class="edge" d="M109.8 86 C109.8 103 109.8 103 109.8 120"/>
      <path class="edge" d="M109.8 150 C109.8 167 109.8 167 109.8 184"/>
      <path class="edge" d="M109.8 214 C109.8 231 109.8 231 109.8 248"/>
      <g>
      <title>archive:debian
      title of archive:debian: hit</title>
      <rect x="49" y="56" width="121.5" height="30" rx="5" fill="#d3f2da" stroke="#1f7a3a" stroke-width="1.4"/>
      <text x="109.8" y="75" text-anchor="middle" textLength="101.5" lengthAdjust="spacingAndGlyphs">archive:debian</text>
      </g>
      <g>
      <title>base:debian
      title of base:debian: hit</title>
      <rect x="59.9" y="120" width="99.8" height="30" rx="5" fill="#d3f2da" stroke="#1f7a3a" stroke-width="1.4"/>
      <text x="109.8" y="139" text-anchor="middle" textLength="79.8" lengthAdjust="spacingAndGlyphs">base:debian</text>
      </g>
      <g>
      <title>customize:web/packages
      title of customize:web/packages: run</title>
      <rect x="20" y="184" width="179.5" height="30" rx="5" fill="#ffe8b8" stroke="#a86400" stroke-width="1.4"/>
      <text x="109.8" y="203" text-anchor="middle" textLength="159.5" lengthAdjust="spacingAndGlyphs">customize:web/packages</text>
      </g>
      <g>
      <title>pack:web/hpc
      title of pack:web/hpc: unknown</title>
      <rect x="56.3" y="248" width="107" height="30" rx="5" fill="#e9ebef" stroke="#5f6773" stroke-width="1.4" stroke-dasharray="4 3"/>
      <text x="109.8" y="267" text-anchor="middle" textLength="87" lengthAdjust="spacingAndGlyphs">pack:web/hpc</text>
      </g>
      </svg>
      "
    `);
  });

  it('escapes what XML would read', () => {
    const svg = formatGraph(odd, new Map(), 'svg');
    expect(svg).toContain('>a&quot;b\\c&lt;d&gt;&amp;e#f`g h</text>');
    expect(svg).toContain('<title>x&apos;y;z|{}[]()\n');
    expect(svg).toContain('A &quot;title&quot; &lt;b&gt; &amp; \\N more : unknown</title>');
  });

  it.each(graphFormats)('writes a graph without stages, and the same text each time: %s', async (format) => {
    expect(formatGraph([], new Map(), format)).toMatch(/\n$/);
    expect(formatGraph(await large(), states, format)).toBe(formatGraph(await large(), states, format));
  });

  it('draws each edge from the row above, and boxes that do not touch', async () => {
    const planned = await large();
    expect(planned.length).toBeGreaterThan(55);
    const svg = formatGraph(planned, new Map(), 'svg');
    const boxes = [...svg.matchAll(/<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="30"/g)].map(
      ([, x, y, width]) => ({left: Number(x), top: Number(y), right: Number(x) + Number(width)}),
    );
    expect(boxes).toHaveLength(planned.length);
    const [, width = '0', height = '0'] = /width="(\d+)" height="(\d+)" viewBox/.exec(svg) ?? [];
    for (const [index, box] of boxes.entries()) {
      expect(box.left).toBeGreaterThan(0);
      expect(box.right).toBeLessThan(Number(width));
      expect(box.top + 30).toBeLessThan(Number(height));
      const close = boxes.filter(
        (other, at) =>
          at !== index && other.top === box.top && other.left < box.right + 15 && box.left < other.right + 15,
      );
      expect(close).toEqual([]);
    }
    const texts = [...svg.matchAll(/text-anchor="middle" textLength="([\d.]+)"/g)].map(([, one]) =>
      Number(one),
    );
    expect(texts.map((text, at) => text < (boxes[at]?.right ?? 0) - (boxes[at]?.left ?? 0))).not.toContain(
      false,
    );
    const edges = [...svg.matchAll(/class="edge" d="M[\d.]+ ([\d.]+) .* ([\d.]+)"/g)];
    expect(edges.length).toBeGreaterThan(planned.length);
    for (const [, from, to] of edges) expect(Number(to)).toBeGreaterThan(Number(from));
  });

  it('leads a long edge around the boxes that it passes', () => {
    const chain = [
      stage('a:1'),
      stage('b:1', ['a:1']),
      stage('c:1', ['b:1']),
      stage('d:1'),
      stage('e:1', ['c:1', 'd:1']),
      stage('f:1', ['a:1', 'd:1']),
      stage('g:1', ['e:1', 'f:1']),
    ];
    const svg = formatGraph(chain, new Map(), 'svg');
    expect(svg.match(/class="edge"/g)).toHaveLength(8);
    const boxes = [...svg.matchAll(/<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="30"/g)];
    for (const [, x = '', y = '', bottom = ''] of svg.matchAll(/ ([\d.]+) ([\d.]+) V([\d.]+)/g)) {
      expect(Number(bottom)).toBe(Number(y) + 30);
      const hit = boxes.filter(
        ([, left, top, width]) =>
          top === y && Number(left) <= Number(x) && Number(x) <= Number(left) + Number(width),
      );
      expect(hit).toEqual([]);
    }
    expect(svg).toMatch(/ V[\d.]+ C/);
  });
});
