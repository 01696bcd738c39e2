// The walk with the functions of hey-api.
import { client } from "./hey/client.gen";
import { authLogin, studentsCreate, studentsGet, studentsList, studentsPatch, transfersUpload } from "./hey/sdk.gen";
import type { StudentRead } from "./hey/types.gen";
import { setting, walk, type Filters, type NewStudent, type School } from "./walk";

let token = "";
client.setConfig({ baseUrl: setting("SCHOOL_URL"), auth: () => token });

function mathOf(student: StudentRead): number | null {
  return student.marks["math"] ?? null;
}

const school: School = {
  async signIn(username: string, password: string) {
    const { data } = await authLogin({ body: { username, password }, throwOnError: true });
    token = data.access_token;
  },
  async create(student: NewStudent) {
    const { data, response } = await studentsCreate({ body: student, throwOnError: true });
    return { status: response.status, told: mathOf(data) };
  },
  async page(filters: Filters) {
    const { data, response } = await studentsList({ query: filters, throwOnError: true });
    return { rollNumbers: data.map((student) => student.roll_no), link: response.headers.get("Link") };
  },
  async etag(rollNo: string) {
    const { response } = await studentsGet({ path: { roll_no: rollNo }, throwOnError: true });
    return response.headers.get("ETag") ?? "";
  },
  async setName(rollNo: string, name: string, etag: string) {
    const sent = { path: { roll_no: rollNo }, headers: { "If-Match": etag }, body: { name } };
    const { data, response } = await studentsPatch(sent);
    return { status: response?.status ?? 0, told: data?.name ?? null };
  },
  async upload(content: string) {
    const { data, error, response } = await transfersUpload({ body: { file: new File([content], "class.csv") } });
    const code = error && "errors" in error ? error.errors?.map((one) => ("code" in one ? one.code : ""))[0] : undefined;
    return { status: response?.status ?? 0, told: data?.created ?? code ?? null };
  },
};

void walk(school);
