// The walk that each generated TypeScript client takes through a served school. It prints what it meets as JSON.

declare const process: { env: Record<string, string | undefined> };

export interface NewStudent {
  roll_no: string;
  name: string;
  branch: string;
  marks?: Record<string, number>;
}

export interface Filters {
  branch: string[];
  where?: string[];
  limit?: number;
  cursor?: string;
}

export interface Page {
  rollNumbers: string[];
  link: string | null;
}

/** A status, and the mark in mathematics, the new name, the number of imported students, or the code of an error. */
export interface Outcome {
  status: number;
  told: string | number | null;
}

/** What the walk needs of a client. */
export interface School {
  signIn(username: string, password: string): Promise<void>;
  create(student: NewStudent): Promise<Outcome>;
  page(filters: Filters): Promise<Page>;
  etag(rollNo: string): Promise<string>;
  setName(rollNo: string, name: string, etag: string): Promise<Outcome>;
  upload(content: string): Promise<Outcome>;
}

export function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}

function cursorIn(link: string | null): string | undefined {
  return /cursor=([^&>]+)>; rel="next"/.exec(link ?? "")?.[1];
}

async function pages(school: School, filters: Filters): Promise<string[][]> {
  const found: string[][] = [];
  let cursor: string | undefined;
  do {
    const page = await school.page(cursor === undefined ? filters : { ...filters, cursor });
    found.push(page.rollNumbers);
    cursor = cursorIn(page.link);
  } while (cursor !== undefined);
  return found;
}

export async function walk(school: School): Promise<void> {
  const branch = setting("SCHOOL_BRANCH");
  const file = (mark: number) => `roll_no,name,branch,math\n${branch}4,Zoë Łuk,${branch},${mark}\n`;
  await school.signIn(setting("SCHOOL_USER"), setting("SCHOOL_PASSWORD"));
  const created = [
    await school.create({ roll_no: `${branch}1`, name: "Asha Rao", branch, marks: { math: 91.5, physics: 78 } }),
    await school.create({ roll_no: `${branch}2`, name: "Emmy Noether", branch, marks: { math: 60 } }),
    await school.create({ roll_no: `${branch}3`, name: "Ada King", branch }),
  ];
  const filtered = (await school.page({ branch: [branch], where: ["marks.math>=60|name=Nobody"] })).rollNumbers;
  const walked = await pages(school, { branch: [branch], limit: 2 });
  const etag = await school.etag(`${branch}1`);
  const patched = await school.setName(`${branch}1`, "Asha Iyer", etag);
  const outdated = await school.setName(`${branch}1`, "Asha Roy", etag);
  const uploaded = await school.upload(file(70));
  const refused = await school.upload(file(950));
  console.log(JSON.stringify({ created, filtered, walked, patched, outdated, uploaded, refused }));
}
