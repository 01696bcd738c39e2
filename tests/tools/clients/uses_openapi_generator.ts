// The walk with the classes of openapi-generator's `typescript-fetch`.
import { AuthApi, Configuration, ImportProblemFromJSON, ResponseError, StudentsApi, TransfersApi } from "./generated";
import { setting, walk, type Filters, type NewStudent, type Outcome, type School } from "./walk";

let token = "";
const configuration = new Configuration({ basePath: setting("SCHOOL_URL"), accessToken: () => token });
const students = new StudentsApi(configuration);
const transfers = new TransfersApi(configuration);

/** Return what a request told, or the status of the error and its first code. */
async function outcome(request: Promise<Outcome>): Promise<Outcome> {
  try {
    return await request;
  } catch (error) {
    if (!(error instanceof ResponseError)) throw error;
    const problem = ImportProblemFromJSON(await error.response.json());
    return { status: error.response.status, told: problem.errors?.[0]?.code ?? null };
  }
}

async function patch(rollNo: string, name: string, etag: string): Promise<Outcome> {
  const response = await students.studentsPatchRaw({ rollNo, studentPatch: { name }, ifMatch: etag });
  return { status: response.raw.status, told: (await response.value()).name };
}

async function importFile(content: string): Promise<Outcome> {
  const response = await transfers.transfersUploadRaw({ file: new File([content], "class.csv") });
  return { status: response.raw.status, told: (await response.value()).created };
}

const school: School = {
  async signIn(username: string, password: string) {
    token = (await new AuthApi(configuration).authLogin({ username, password })).accessToken;
  },
  async create({ roll_no: rollNo, ...others }: NewStudent) {
    const response = await students.studentsCreateRaw({ studentCreate: { rollNo, ...others } });
    return { status: response.raw.status, told: (await response.value()).marks["math"] ?? null };
  },
  async page(filters: Filters) {
    const response = await students.studentsListRaw(filters);
    const rollNumbers = (await response.value()).map((student) => student.rollNo);
    return { rollNumbers, link: response.raw.headers.get("Link") };
  },
  async etag(rollNo: string) {
    return (await students.studentsGetRaw({ rollNo })).raw.headers.get("ETag") ?? "";
  },
  setName: (rollNo: string, name: string, etag: string) => outcome(patch(rollNo, name, etag)),
  upload: (content: string) => outcome(importFile(content)),
};

void walk(school);
